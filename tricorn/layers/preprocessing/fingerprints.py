"""The hashes that TensorFlow and Keras put strings into bins with: FarmHash's and SipHash."""

from __future__ import annotations

_64 = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_MIX = 0xC6A4A7935BD1E995


def _rotated(x: int, by: int) -> int:
    """x, 64 bits, rotated to the right."""
    return (x >> by | x << (64 - by)) & _64


def _shifted(x: int) -> int:
    return x ^ x >> 47


def _joined(u: int, v: int, mul: int) -> int:
    a = _shifted((u ^ v) * mul & _64)
    return _shifted((v ^ a) * mul & _64) * mul & _64


def _word(data: bytes, at: int, size: int = 8) -> int:
    at += len(data) if at < 0 else 0
    return int.from_bytes(data[at : at + size], "little")


def fingerprint64(data: bytes) -> int:
    """FarmHash's Fingerprint64, the hash of ``tf.strings.to_hash_bucket_fast``.

    Source: https://github.com/google/farmhash (farmhashna::Hash64).
    """
    size = len(data)
    mul = _K2 + 2 * size
    if size > 64:
        return _long(data)
    if size > 32:
        return _medium(data, mul)
    if size > 16:
        a, b = _word(data, 0) * _K1, _word(data, 8)
        c, d = _word(data, -8) * mul, _word(data, -16) * _K2
        first = _rotated(a + b & _64, 43) + _rotated(c & _64, 30) + d
        return _joined(first & _64, a + _rotated(b + _K2 & _64, 18) + c & _64, mul)
    if size >= 8:
        a, b = _word(data, 0) + _K2 & _64, _word(data, -8)
        c = _rotated(b, 37) * mul + a
        d = (_rotated(a, 25) + b) * mul
        return _joined(c & _64, d & _64, mul)
    if size >= 4:
        return _joined(size + (_word(data, 0, 4) << 3), _word(data, -4, 4), mul)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        return _shifted((y * _K2 ^ z * _K0) & _64) * _K2 & _64
    return _K2


def _medium(data: bytes, mul: int) -> int:
    a, b = _word(data, 0) * _K2, _word(data, 8)
    c, d = _word(data, -8) * mul, _word(data, -16) * _K2
    y = _rotated(a + b & _64, 43) + _rotated(c & _64, 30) + d & _64
    z = _joined(y, a + _rotated(b + _K2 & _64, 18) + c & _64, mul)
    e, f = _word(data, 16) * mul & _64, _word(data, 24)
    g, h = (y + _word(data, -32)) * mul & _64, (z + _word(data, -24)) * mul & _64
    first = _rotated(e + f & _64, 43) + _rotated(g, 30) + h
    return _joined(first & _64, e + _rotated(f + a & _64, 18) + g & _64, mul)


def _weak(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_word(data, at + 8 * i) for i in range(4))
    a = a + w & _64
    b = _rotated(b + a + z & _64, 21)
    c, a = a, a + x + y & _64
    return a + z & _64, b + _rotated(a, 44) + c & _64


def _long(data: bytes) -> int:
    x, y = 81, 81 * _K1 + 113 & _64
    z = _shifted(y * _K2 + 113 & _64) * _K2 & _64
    state = x * _K2 + _word(data, 0), y, z, (0, 0), (0, 0)
    last = len(data) - 1
    for at in range(0, last // 64 * 64, 64):
        state = _block(data, at, state, _K1)
    x, y, z, v, w = state
    mul = _K1 + ((z & 0xFF) << 1)
    start = w[0] + (last & 63) & _64
    v = v[0] + start & _64, v[1]
    w = start + v[0] & _64, w[1]
    x, y, z, v, w = _block(data, last - 63, (x, y, z, v, w), mul, 9)
    first = _joined(v[0], w[0], mul) + _shifted(y) * _K0 + z
    return _joined(first & _64, _joined(v[1], w[1], mul) + x & _64, mul)


def _block(data: bytes, at: int, state: tuple, mul: int, times: int = 1) -> tuple:
    """The state after 64 more bytes."""
    x, y, z, v, w = state
    x = _rotated(x + y + v[0] + _word(data, at + 8) & _64, 37) * mul & _64
    y = _rotated(y + v[1] + _word(data, at + 48) & _64, 42) * mul & _64
    x ^= w[1] * times & _64
    y = y + v[0] * times + _word(data, at + 40) & _64
    z = _rotated(z + w[0] & _64, 33) * mul & _64
    v = _weak(data, at, v[1] * mul & _64, x + w[0] & _64)
    w = _weak(data, at + 32, z + w[1] & _64, y + _word(data, at + 16) & _64)
    return z, y, x, v, w


def joined_fingerprint(first: int, second: int) -> int:
    """The fingerprint of two after each other, by which TensorFlow crosses features."""
    found = first ^ _MIX
    found ^= _shifted(second * _MIX & _64) * _MIX & _64
    found = found * _MIX & _64
    return _shifted(_shifted(found) * _MIX & _64)


def siphash(data: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4, the hash of ``tf.strings.to_hash_bucket_strong``.

    Args:
        key: two integers of 64 bits.

    Source: Aumasson and Bernstein, 2012, "SipHash: a fast short-input PRF".
    """
    a, b = (k & _64 for k in key)
    v = [a ^ 0x736F6D6570736575, b ^ 0x646F72616E646F6D, a ^ 0x6C7967656E657261,
         b ^ 0x7465646279746573]  # fmt: skip

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = v[0] + v[1] & _64
            v[1] = _rotated(v[1], 51) ^ v[0]
            v[0] = _rotated(v[0], 32)
            v[2] = v[2] + v[3] & _64
            v[3] = _rotated(v[3], 48) ^ v[2]
            v[0] = v[0] + v[3] & _64
            v[3] = _rotated(v[3], 43) ^ v[0]
            v[2] = v[2] + v[1] & _64
            v[1] = _rotated(v[1], 47) ^ v[2]
            v[2] = _rotated(v[2], 32)

    whole = len(data) // 8 * 8
    last = int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56
    for word in (*(_word(data, at) for at in range(0, whole, 8)), last):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
