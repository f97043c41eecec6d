import logging

from mnist_trainer.runs.log import RunLog


def test_a_log_that_can_not_be_written_is_told_once_and_without_a_traceback(caplog, capsys):
    handler = RunLog("/dev/full")
    logger = logging.getLogger("of_a_run")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logging.getLogger("mnist_trainer").addHandler(handler)  # what it tells comes to itself
    try:
        for _ in range(1000):
            logger.info("a line of forty characters, or about that")
    finally:
        logger.removeHandler(handler)
        logging.getLogger("mnist_trainer").removeHandler(handler)
    told = [record.getMessage() for record in caplog.records if record.name != "of_a_run"]
    assert told == ["/dev/full: No space left on device"]
    assert capsys.readouterr().err == ""
    handler.close()


def test_a_log_that_can_be_written_again_has_what_its_buffer_held(tmp_path, monkeypatch):
    handler = RunLog(tmp_path / "log")
    handler.emit(logging.makeLogRecord({"msg": "one"}))
    flush = handler.stream.flush
    with monkeypatch.context() as patch:
        patch.setattr(handler, "stream", Full(handler.stream))
        handler.emit(logging.makeLogRecord({"msg": "two"}))
    flush()
    handler.close()
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


class Full:
    """A stream that takes all, and can't bring it to the disk."""

    def __init__(self, stream):
        self.write = stream.write

    def flush(self):
        raise OSError(28, "No space left on device")
