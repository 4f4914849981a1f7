# The preview, for whole.pyx, of which this is a part: of plain text that begins with words in US-ASCII.
# Another text goes to the function that shows it in Python.

cdef Py_ssize_t LOOKED_AT = 2 * MAX_PREVIEW  # octets that hold enough words, or are unusual
cdef signed char[256] DIGITS64  # -1: none
for _octet in range(256):
    DIGITS64[_octet] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".find(_octet)


cdef bytes _preview(_Wire out, bytes octets, _Content content):
    cdef bytes beginning = None, found = None
    if content.name == b"TEXT/PLAIN":
        if content.encoding == b"7BIT" or content.encoding == b"8BIT":
            if _is_ascii(octets) and _is_unshifted(content.charset):
                beginning = octets
        elif _is_usual(content.charset):
            if content.encoding == b"QUOTED-PRINTABLE":
                beginning = _from_quoted_printable(out, octets)
            elif content.encoding == b"BASE64":
                beginning = _from_base64(out, octets)
    if beginning is not None:
        found = _first_words(out, beginning)
    if found is None:
        return preview(octets, content.encoding, content.charset, content.name == b"TEXT/HTML")
    return found


cdef bint _is_unshifted(bytes charset) except -1:
    """Whether US-ASCII in this charset is what it seems."""
    return _is_usual(charset) or not charset.upper().startswith(SHIFTING)


cdef bint _is_usual(bytes charset) except -1:
    cdef Py_ssize_t size = len(charset)
    return (
        _says(charset, 0, size, b"utf-8") or _says(charset, 0, size, b"us-ascii")
        or _says(charset, 0, size, b"iso-8859-1")
    )


cdef bytes _from_quoted_printable(_Wire out, bytes octets):
    """The first octets of the text (RFC 2045 §6.7); None: something is not as it should be."""
    cdef Py_ssize_t at = 0, size = len(octets), start = out.size, high, low
    cdef unsigned char c
    while at < size and out.size < start + LOOKED_AT:
        c = octets[at]
        at += 1
        if c == c"=":
            if at < size and octets[at] == c"\n":
                at += 1
                continue
            high = _digit16(octets[at]) if at + 1 < size else -1
            low = _digit16(octets[at + 1]) if high >= 0 else -1
            if low >= 0:
                c = 16 * high + low
            elif not (at + 1 < size and octets[at] == c"\r" and octets[at + 1] == c"\n"):
                out.size = start
                return None
            at += 2
            if low < 0:
                continue
        out.put_octet(c)
    return out.take(start)


cdef bytes _from_base64(_Wire out, bytes octets):
    """The same of base64 (RFC 2045 §6.8)."""
    cdef Py_ssize_t start = out.size
    cdef unsigned int bits = 0
    cdef int digit, held = 0
    cdef unsigned char c
    for c in octets:
        digit = DIGITS64[c]
        if digit < 0:
            if c == c"\r" or c == c"\n":
                continue
            out.size = start
            return None
        bits = (bits & 63) << 6 | <unsigned int> digit
        held += 6
        if held >= 8:
            held -= 8
            out.put_octet(<unsigned char> (bits >> held))
            if out.size == start + LOOKED_AT:
                break
    return out.take(start)


cdef inline Py_ssize_t _digit16(unsigned char c) noexcept:
    if _is_digit(c):
        return c - c"0"
    return (c | 0x20) - c"a" + 10 if c"a" <= (c | 0x20) <= c"f" else -1


cdef bytes _first_words(_Wire out, bytes octets):
    """Enough words for a preview from the first octets; None: there are not, or not all is printable."""
    cdef Py_ssize_t at = 0, word, size = min(LOOKED_AT, len(octets)), start = out.size
    cdef bytes words
    while True:
        while at < size and _is_space(octets[at]):
            at += 1
        if at == size:
            break
        if out.size > start:
            out.put_octet(c" ")
        word = at
        # A run of words with one space each between them.
        while at < size and (
            _is_visible(octets[at]) or octets[at] == c" " and at + 1 < size and _is_visible(octets[at + 1])
        ):
            at += 1
        if at == word or at < size and not _is_space(octets[at]):
            out.size = start
            return None
        out.add(octets, word, at)
    words = out.take(start)
    if len(words) < MAX_PREVIEW:
        return None
    size = MAX_PREVIEW
    return _cut(words, 0, size - 1 if words[size - 1] == c" " else size)
