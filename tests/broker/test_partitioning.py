import pytest

from reelstream.broker.partitioning import murmur2, partition_of


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(data: bytes, signed: int) -> None:
    """The values that Kafka's own tests of its Java clients name."""
    assert murmur2(data) == signed % 2**32


def test_partition_ignores_the_sign() -> None:
    """A hash that Java prints as negative still names a partition."""
    assert partition_of(b"21", 3) == (-973932308 & 0x7FFFFFFF) % 3
    assert {partition_of(b"%d" % user, 3) for user in range(100)} == {0, 1, 2}
