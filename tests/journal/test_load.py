"""What the training process takes of its machine."""

import time

import numpy as np

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
    held = np.ones(8_000_000)
    assert resident_bytes() - before > held.nbytes / 2
    assert Load().measure()[MEMORY] * 1e6 > held.nbytes
