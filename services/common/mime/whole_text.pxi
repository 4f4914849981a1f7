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
        if content.encoding == b"QUOTED-PRINTABLE":
            enough = _show_quoted_printable(out, octets, at, end)
        elif content.encoding == b"BASE64":
            enough = _show_base64(out, octets, at, end)
        elif content.encoding == b"7BIT" or content.encoding == b"8BIT":
            enough = _show_plain(out, octets, at, end)
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


# The beginnings of a text are shown octet by octet, until there are MAX_PREVIEW of them (True),
# the text ends, or something is not as it should be.


cdef inline int _show(_Wire out, Py_ssize_t start, unsigned char c) except -2:
    """How many are shown with this one, of white space in a row one; -1: it is not printable."""
    if _is_visible(c):
        out.put_octet(c)
    elif not _is_space(c):
        return -1
    elif out.size > start and not _is_blank(out.last()):
        out.put_octet(c" ")
    return out.size - start


cdef bint _show_plain(_Wire out, bytes octets, Py_ssize_t at, Py_ssize_t end) except -1:
    cdef Py_ssize_t start = out.size, shown = 0
    while at < end and 0 <= shown < MAX_PREVIEW:
        shown = _show(out, start, octets[at])
        at += 1
    return shown == MAX_PREVIEW


cdef bint _show_quoted_printable(_Wire out, bytes octets, Py_ssize_t at, Py_ssize_t end) except -1:
    """RFC 2045 §6.7."""
    cdef Py_ssize_t start = out.size, shown = 0, high, low
    cdef unsigned char c
    while at < end and 0 <= shown < MAX_PREVIEW:
        c = octets[at]
        at += 1
        if c == c"=":
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
        shown = _show(out, start, c)
    return shown == MAX_PREVIEW


cdef bint _show_base64(_Wire out, bytes octets, Py_ssize_t at, Py_ssize_t end) except -1:
    """RFC 2045 §6.8."""
    cdef Py_ssize_t start = out.size, shown = 0
    cdef unsigned int bits = 0
    cdef int digit, held = 0
    while at < end and 0 <= shown < MAX_PREVIEW:
        digit = DIGITS64[octets[at]]
        if digit < 0:
            if octets[at] != c"\r" and octets[at] != c"\n":
                return False
        else:
            bits = (bits & 63) << 6 | <unsigned int> digit
            held += 6
            if held >= 8:
                held -= 8
                shown = _show(out, start, <unsigned char> (bits >> held))
        at += 1
    return shown == MAX_PREVIEW


cdef inline Py_ssize_t _digit16(unsigned char c) noexcept:
    if _is_digit(c):
        return c - c"0"
    return (c | 0x20) - c"a" + 10 if c"a" <= (c | 0x20) <= c"f" else -1
