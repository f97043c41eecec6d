"""Functions that are watched: theirs is what the others call within the block, and nothing is left of it."""

import types

from mnist_trainer.training.wrapping import Wrapped, wrapping


class Counts:
    def twice(self):
        return self.one() + self.one()

    def one(self):
        return 1


def ten_times(function):
    return lambda *arguments: 10 * function(*arguments)


def test_methods_and_functions_are_wrapped_for_all_who_call_them():
    counts, other, functions = Counts(), Counts(), types.ModuleType("functions")
    functions.double = lambda x: 2 * x
    with wrapping([Wrapped(counts, "one", ten_times), Wrapped(functions, "double", ten_times)]):
        assert counts.twice() == 20
        assert functions.double(1) == 20
        assert other.twice() == 2
    assert counts.twice() == 2


def test_afterwards_objects_and_modules_are_as_they_were():
    counts, functions = Counts(), types.ModuleType("functions")
    functions.double = double = lambda x: 2 * x
    counts.twice = own = lambda: 3
    before = dict(vars(counts))
    wrapped = [Wrapped(counts, "one", ten_times), Wrapped(counts, "twice", ten_times)]
    with wrapping([*wrapped, Wrapped(functions, "double", ten_times)]):
        assert counts.twice() == 30
    assert vars(counts) == before
    assert counts.twice is own
    assert functions.double is double
