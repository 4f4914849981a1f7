# The Content-* fields, for whole.pyx, of which this is a part: the usual forms, and only those.
# A value of another form goes to the function that reads it in Python.

@final
@no_gc
cdef class _Content:
    """What the Content-* fields of an entity say, rendered already."""

    cdef bytes name, wire, subtype, charset, boundary, encoding, fixed, md5, extension
    cdef bint is_text, is_attachment


# The same few blocks come again and again. Only short ones are remembered, and no boundaries.
cdef dict BLOCKS = {}
cdef Py_ssize_t MAX_BLOCKS = 1024, MAX_BLOCK = 128


cdef _Content _content_of_block(_Wire out, bytes octets, Py_ssize_t start, Py_ssize_t end):
    """From a part's header block."""
    cdef bytes block = None
    cdef _Content content
    cdef list values
    if end - start <= MAX_BLOCK:
        block = _cut(octets, start, end)
        content = BLOCKS.get(block)
        if content is not None:
            return content
    values = NO_VALUES.copy()
    _read_fields(octets, start, end, values, None)
    content = _read_content(out, values)
    if block is not None and content.boundary is None:
        if len(BLOCKS) == MAX_BLOCKS:
            BLOCKS.clear()
        BLOCKS[block] = content
    return content


cdef _Content _read_content(_Wire out, list values):
    cdef Py_ssize_t start = out.size
    cdef bytes value = values[TYPE]
    cdef _Content content = _Content.__new__(_Content)
    if value is None:
        _set_type(content, TEXT_PLAIN)
    elif not _read_type(out, content, value):
        _set_type(content, content_type(value))
    _read_encoding(content, values[ENCODING])
    if content.fixed is None or values[ID] is not None or values[DESCRIPTION] is not None:
        _add_string(out, values[ID])
        out.put_octet(c" ")
        _add_string(out, values[DESCRIPTION])
        out.put_octet(c" ")
        out.put(quote(content.encoding))
        content.fixed = out.take(start)
    content.md5, content.extension = b"NIL", b"NIL NIL NIL"
    if values[MD5] is not None:
        _add_string(out, values[MD5])
        content.md5 = out.take(start)
    if values[DISPOSITION] is not None or values[LANGUAGE] is not None or values[LOCATION] is not None:
        _add_disposition(out, content, values[DISPOSITION])
        out.put_octet(c" ")
        out.put(language_wire(values[LANGUAGE]))
        out.put_octet(c" ")
        _add_string(out, values[LOCATION])
        content.extension = out.take(start)
    return content


cdef int _set_type(_Content content, kind) except -1:
    """From a ContentType."""
    content.name, content.wire, content.subtype = kind.name, kind.wire, kind.subtype
    content.charset, content.boundary, content.is_text = kind.charset, kind.boundary, kind.is_text
    return 0


cdef bint _read_type(_Wire out, _Content content, bytes value) except -1:
    """type "/" subtype *(";" parameter) (RFC 2045 §5.1)."""
    cdef Py_ssize_t start = _after_space(value, 0), slash, end, parameters, mark = out.size
    cdef bytes written
    slash = _after_token(value, start)
    if slash == start or slash == len(value) or value[slash] != c"/":
        return False
    end = _after_token(value, slash + 1)
    if end == slash + 1:
        return False
    out.put_octet(c'"')
    out.add_upper(value, start, slash)
    out.put(b'" "')
    out.add_upper(value, slash + 1, end)
    out.put(b'" ')
    parameters = out.size
    content.charset = content.boundary = None
    if not _add_parameters(out, content, value, end):
        out.size = mark
        return False
    content.is_text = _says(value, start, slash, b"text")
    if content.charset is None:
        content.charset = b""
        if content.is_text:  # RFC 2046 §4.1.2
            content.charset = b"us-ascii"
            written = out.take(parameters)
            out.put(b'("CHARSET" "us-ascii"')
            out.put(b")" if written == b"NIL" else b" " + _cut(written, 1, len(written)))
    if not _says(value, start, slash, b"multipart"):
        content.boundary = None
    else:
        content.boundary = b"" if content.boundary is None else content.boundary.rstrip()
        if not 0 < len(content.boundary) <= MAX_BOUNDARY:
            out.size = mark
            return False
        content.subtype = out.since(mark + slash - start + 3)
    content.wire = out.take(mark)
    if _says(value, start, end, b"text/plain"):
        content.name = b"TEXT/PLAIN"
    elif _says(value, start, end, b"text/html"):
        content.name = b"TEXT/HTML"
    else:
        out.add_upper(value, start, end)
        content.name = out.take(mark)
    return True


cdef bint _add_parameters(_Wire out, _Content content, bytes value, Py_ssize_t at) except -1:
    """*(";" name "=" (token / quoted-string)); False: one is of another form, and all are taken back.

    No sections (RFC 2231), no quoted pairs, nothing folded in a value. Of a Content-Type the charset
    and the boundary are kept in `content`, which is None for any other field.
    """
    cdef Py_ssize_t size = len(value), mark = out.size, name, name_end, start, end, count = 0
    while True:
        at = _after_space(value, at)
        name = size if at == size else _after_space(value, at + 1)
        if name == size and (at == size or value[at] == c";"):
            out.put(b'")' if count else b"NIL")
            return True
        name_end = name
        while name_end < size and value[name_end] != c"*" and _is_token(value[name_end]):
            name_end += 1
        if value[at] != c";" or name_end == name or name_end == size or value[name_end] != c"=":
            break
        if count == MAX_PARAMETERS:
            break
        at = start = name_end + 1
        if at < size and value[at] == c'"':
            start += 1
            end = _after_plain(value, start)
            if end == size or value[end] != c'"':
                break
            at = end + 1
        else:
            while at < size and _is_bare(value[at]):
                at += 1
            end = at
            if end == start:
                break
        out.put(b'" "' if count else b'("')
        out.add_upper(value, name, name_end)
        out.put(b'" "')
        out.add(value, start, end)
        count += 1
        if content is not None:
            if content.charset is None and _says(value, name, name_end, b"charset"):
                content.charset = _cut(value, start, end)
            elif content.boundary is None and _says(value, name, name_end, b"boundary"):
                content.boundary = _cut(value, start, end)
    out.size = mark
    return False


cdef int _read_encoding(_Content content, bytes value) except -1:
    cdef Py_ssize_t start, end
    if value is None:
        content.encoding, content.fixed = b"7BIT", b'NIL NIL "7BIT"'
        return 0
    start, end = _after_space(value, 0), len(value)
    while end > start and _is_space(value[end - 1]):
        end -= 1
    if _says(value, start, end, b"7bit"):
        content.encoding, content.fixed = b"7BIT", b'NIL NIL "7BIT"'
    elif _says(value, start, end, b"quoted-printable"):
        content.encoding, content.fixed = b"QUOTED-PRINTABLE", b'NIL NIL "QUOTED-PRINTABLE"'
    elif _says(value, start, end, b"base64"):
        content.encoding, content.fixed = b"BASE64", b'NIL NIL "BASE64"'
    elif _says(value, start, end, b"8bit"):
        content.encoding, content.fixed = b"8BIT", b'NIL NIL "8BIT"'
    else:
        content.encoding, content.fixed = transfer_encoding(value), None
    return 0


cdef int _add_disposition(_Wire out, _Content content, bytes value) except -1:
    """body-fld-dsp (RFC 2183)."""
    cdef Py_ssize_t start, end, mark = out.size
    if value is None:
        return out.put(b"NIL")
    start = _after_space(value, 0)
    end = _after_token(value, start)
    if end > start:
        out.put(b'("')
        out.add_upper(value, start, end)
        out.put(b'" ')
        if _add_parameters(out, None, value, end):
            content.is_attachment = _says(value, start, end, b"attachment")
            return out.put_octet(c")")
    out.size = mark
    wire, content.is_attachment = disposition_wire(value)
    return out.put(wire)
