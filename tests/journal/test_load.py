"""What the training process takes of its machine."""

import mmap
import time

from mnist_trainer.journal.load import CPU, MEMORY, Load, resident_bytes


def test_a_process_that_waits_takes_no_processor_and_one_that_computes_does():
    load = Load()
    time.sleep(0.3)
    idle = load.measure()[CPU]
    before = time.process_time()
    while time.process_time() - before < 0.1:
        pass
    assert idle < load.measure()[CPU] <= 100 * 64


def test_the_memory_is_that_of_now_in_megabytes():
    before = resident_bytes()
    with mmap.mmap(-1, 1 << 26) as held:  # new, whatever the allocator keeps of what was given back
        held.write(bytes([1]) * len(held))
        assert resident_bytes() - before > len(held) / 2
        assert Load().measure()[MEMORY] * 1e6 > len(held)
