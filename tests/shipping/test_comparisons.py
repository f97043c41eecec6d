"""A comparison's journals: the parent comes first whatever the order, and draws its own pictures."""

from mnist_trainer.shipping.pictures import draw_folder, main
from mnist_trainer.shipping.sync import sync


def test_its_runs_are_sent_below_it(outputs, begin, write, client):
    child = begin("compare/0-fused", parent="b" * 32)
    parent = begin("compare", run="b" * 32, kind="comparison")
    write(child)
    write(parent)
    report = sync([child.path, parent.path], store_folder=outputs)
    assert report.summary() == "sent 2 runs"
    first, second = report.runs
    assert first.folder == str(parent.folder)
    assert client.get_run(second.run_id).data.tags["mlflow.parentRunId"] == first.run_id


def test_only_its_runs_are_drawn_from_their_journals(begin, write, capsys):
    parent = begin("compare", kind="comparison")
    write(parent)
    write(begin("compare/0-fused"))
    assert draw_folder(parent.folder) == []
    assert main([str(parent.folder)]) == 0
    names = [path.rpartition("/compare/")[2] for path in capsys.readouterr().out.split()]
    assert names == ["0-fused/learning_curves.png", "0-fused/confusion_matrix.png"]
