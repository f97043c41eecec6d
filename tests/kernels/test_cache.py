import pytest

from mnist_trainer.kernels import cache, updates


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Let Linux tell of caches, by index: level and size."""

    def tell(*caches):
        for index, facts in enumerate(caches):
            (tmp_path / f"index{index}").mkdir()
            for name, value in zip(("level", "size"), facts, strict=False):
                (tmp_path / f"index{index}" / name).write_text(f"{value}\n")
        monkeypatch.setattr(cache, "CACHES", tmp_path)
        cache.second_level_bytes.cache_clear()

    yield tell
    cache.second_level_bytes.cache_clear()


@pytest.mark.parametrize(
    ("caches", "size", "block"),
    [
        ([(1, "48K"), (1, "32K"), (2, "2048K"), (3, "107520K")], 2**21, 98_304),
        ([(1, "32K"), (1, "32K"), (2, "1024K"), (3, "32768K")], 2**20, 131_072),
        ([(2, "1 MB"), (3, "32768K")], None, 131_072),
        ([(2,)], None, 131_072),
        ([], None, 131_072),
    ],
)
def test_the_second_level_decides_how_long_blocks_are(told, caches, size, block):
    told(*caches)
    assert cache.second_level_bytes() == size
    assert updates.block_length("float32") == block
    assert updates.block_length("float64") == block // 2
