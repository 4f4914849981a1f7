# The preview, for whole.pyx, of which this is a part: of plain text that begins with words in US-ASCII.
# Another text goes to the function that shows it in Python.

cdef signed char[256] DIGITS64  # -1: none
for _octet in range(256):
    DIGITS64[_octet] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".find(_octet)


cdef bytes _preview(_Wire out, bytes octets, Py_ssize_t at, Py_ssize_t end, _Content content):
    cdef Py_ssize_t start = out.size
    cdef bint enough = False
    cdef bytes words
    if content.name == b"TEXT/PLAIN" and _is_usual(content.charset):
        enough = _show(out, octets, at, end, content.encoding)
    words = out.take(start)
    if not enough:
        return preview(_cut(octets, at, end), content.encoding, content.charset, content.name == b"TEXT/HTML")
    return _cut(words, 0, MAX_PREVIEW - 1) if words[MAX_PREVIEW - 1] == c" " else words


cdef bint _is_usual(bytes charset) except -1:
    """Whether octets in it that could be US-ASCII are that, whatever follows them."""
    cdef Py_ssize_t size = len(charset)
    return (
        _says(charset, 0, size, b"utf-8") or _says(charset, 0, size, b"us-ascii")
        or size > 9 and _says(charset, 0, 9, b"iso-8859-")
        or size > 10 and _says(charset, 0, 10, b"windows-12")
    )


cdef bint _show(_Wire out, bytes octets, Py_ssize_t at, Py_ssize_t end, bytes encoding) except -1:
    """The first MAX_PREVIEW octets of words; False: there are not so many, or something is not as it should be."""
    cdef bint quoted = encoding == b"QUOTED-PRINTABLE", base64 = encoding == b"BASE64"
    cdef Py_ssize_t start = out.size, high, low
    cdef unsigned int bits = 0
    cdef int held = 0
    cdef unsigned char c
    if not (quoted or base64 or encoding == b"7BIT" or encoding == b"8BIT"):
        return False
    while at < end and out.size < start + MAX_PREVIEW:
        c = octets[at]
        at += 1
        if base64:  # RFC 2045 §6.8
            if DIGITS64[c] < 0:
                if c == c"\r" or c == c"\n":
                    continue
                return False
            bits = (bits & 63) << 6 | <unsigned int> DIGITS64[c]
            held += 6
            if held < 8:
                continue
            held -= 8
            c = <unsigned char> (bits >> held)
        elif quoted and c == c"=":  # RFC 2045 §6.7
            if at < end and octets[at] == c"\n":
                at += 1
                continue
            if at + 1 >= end:
                return False
            high, low = _digit16(octets[at]), _digit16(octets[at + 1])
            at += 2
            if high < 0 or low < 0:
                if octets[at - 2] == c"\r" and octets[at - 1] == c"\n":
                    continue
                return False
            c = 16 * high + low
        if _is_visible(c):
            out.put_octet(c)
        elif not _is_space(c):
            return False
        elif out.size > start and out.last() != c" ":
            out.put_octet(c" ")
    return out.size == start + MAX_PREVIEW


cdef inline Py_ssize_t _digit16(unsigned char c) noexcept:
    if _is_digit(c):
        return c - c"0"
    return (c | 0x20) - c"a" + 10 if c"a" <= (c | 0x20) <= c"f" else -1
