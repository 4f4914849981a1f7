# Values of header fields, for whole.pyx, of which this is a part: the usual forms, and only those.
# A value of another form goes to the function that reads it in Python.

cdef enum:  # places of the values that matter
    DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID
    TYPE, ENCODING, ID, DESCRIPTION, MD5, DISPOSITION, LANGUAGE, LOCATION, PLACES

cdef list NO_VALUES = [None] * PLACES
cdef tuple MONTHS = tuple(b"jan feb mar apr may jun jul aug sep oct nov dec".split())
cdef tuple BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)  # days of a year, by month
cdef int EPOCH = date(1970, 1, 1).toordinal()


cdef Py_ssize_t _place(bytes octets, Py_ssize_t start, Py_ssize_t end) except -2:
    """Of the value of a field that is named so; -1: it does not matter."""
    cdef Py_ssize_t size = end - start
    if size == 2:
        return TO if _says(octets, start, end, b"to") else CC if _says(octets, start, end, b"cc") else -1
    if size == 3:
        return BCC if _says(octets, start, end, b"bcc") else -1
    if size == 4:
        return DATE if _says(octets, start, end, b"date") else FROM if _says(octets, start, end, b"from") else -1
    if size == 6:
        return SENDER if _says(octets, start, end, b"sender") else -1
    if size == 7:
        return SUBJECT if _says(octets, start, end, b"subject") else -1
    if size == 8:
        return REPLY_TO if _says(octets, start, end, b"reply-to") else -1
    if size == 10 and _says(octets, start, end, b"message-id"):
        return MESSAGE_ID
    if size == 11 and _says(octets, start, end, b"in-reply-to"):
        return IN_REPLY_TO
    if size < 10 or not _says(octets, start, start + 8, b"content-"):
        return -1
    start += 8
    if _says(octets, start, end, b"type"):
        return TYPE
    if _says(octets, start, end, b"transfer-encoding"):
        return ENCODING
    if _says(octets, start, end, b"disposition"):
        return DISPOSITION
    if _says(octets, start, end, b"id"):
        return ID
    if _says(octets, start, end, b"description"):
        return DESCRIPTION
    if _says(octets, start, end, b"md5"):
        return MD5
    if _says(octets, start, end, b"language"):
        return LANGUAGE
    return LOCATION if _says(octets, start, end, b"location") else -1


cdef int _add_string(_Wire out, bytes value) except -1:
    """nstring of an unstructured field."""
    cdef Py_ssize_t start, end
    if value is None:
        return out.put(b"NIL")
    start, end = _after_space(value, 0), len(value)
    while end > start and _is_space(value[end - 1]):
        end -= 1
    if _after_plain(value, start) < end:
        return out.put(quote(unfold(value)))
    out.put_octet(c'"')
    out.add(value, start, end)
    return out.put_octet(c'"')


cdef bytes _message_id(bytes value):
    if value is None:
        return b""
    if len(value) > MAX_ID:
        raise Unusual
    return unfold(value) if _find(value, c"\n", 0, len(value)) >= 0 else value.strip()


cdef object _sent_date(bytes value):
    """date = [3ALPHA "," SP] 1*2DIGIT SP month SP 4DIGIT SP; None where there is no such day."""
    cdef Py_ssize_t at, place, month = 0
    cdef int day, year = 0, before, length
    cdef bint leap
    if value is None:
        return None
    at = _after_space(value, 0)
    if at + 5 <= len(value) and value[at + 3] == c"," and value[at + 4] == c" ":
        if _is_letter(value[at]) and _is_letter(value[at + 1]) and _is_letter(value[at + 2]):
            at += 5
    if at + 12 > len(value) or not _is_digit(value[at]):
        return sent_date(value)
    day = value[at] - c"0"
    at += 1
    if _is_digit(value[at]):
        day = 10 * day + value[at] - c"0"
        at += 1
    if not value[at] == value[at + 4] == value[at + 9] == c" ":
        return sent_date(value)
    while month < 12 and not _says(value, at + 1, at + 4, MONTHS[month]):
        month += 1
    for place in range(at + 5, at + 9):
        if not _is_digit(value[place]):
            return sent_date(value)
        year = 10 * year + value[place] - c"0"
    if month == 12 or year == 0:
        return sent_date(value)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    before, length = BEFORE[month], BEFORE[month + 1] - BEFORE[month] + (leap and month == 1)
    if not 0 < day <= length:
        return None
    year -= 1
    return 365 * year + year // 4 - year // 100 + year // 400 + before + (leap and month > 1) + day - EPOCH


cdef bytes _envelope(_Wire out, list values):
    cdef bytes senders
    cdef Py_ssize_t start = out.size
    out.put_octet(c"(")
    _add_string(out, values[DATE])
    out.put_octet(c" ")
    _add_string(out, values[SUBJECT])
    out.put_octet(c" ")
    senders = _add_addresses(out, values[FROM], True)
    for place in (SENDER, REPLY_TO):
        out.put_octet(c" ")
        if _add_addresses(out, values[place], True) == b"NIL":
            out.size -= 3
            out.put(senders)
    for place in (TO, CC, BCC):
        out.put_octet(c" ")
        _add_addresses(out, values[place], False)
    for place in (IN_REPLY_TO, MESSAGE_ID):
        out.put_octet(c" ")
        _add_string(out, values[place])
    out.put_octet(c")")
    return out.take(start)


cdef bytes _add_addresses(_Wire out, bytes value, bint answer):
    """address-list of name-addr and addr-spec without comments, quoted pairs and domain-literals."""
    cdef Py_ssize_t at = 0, count = 0, mark = out.size
    if value is None:
        out.put(b"NIL")
        return b"NIL"
    out.put_octet(c"(")
    while True:
        at = _add_address(out, value, at)
        if at < 0:
            break
        count += 1
        at = _after_space(value, at)
        if at == len(value):
            out.put_octet(c")")
            return out.since(mark) if answer else None
        if value[at] != c"," or count == MAX_ADDRESSES:
            break
        at += 1
    out.size = mark
    wire = address_list(value)
    out.put(wire)
    return wire


cdef Py_ssize_t _add_address(_Wire out, bytes value, Py_ssize_t start) except -2:
    """Answers where it ends; -1: it is of another form."""
    cdef Py_ssize_t size = len(value), at, end, host
    cdef bint phrase = False
    at = start = _after_space(value, start)
    if at < size and value[at] == c'"':
        start += 1
        at = end = _after_plain(value, start)
        if at == size or value[at] != c'"':
            return -1
        at += 1
    else:
        at = end = _after_atom(value, at)
        if start < at < size and value[at] == c"@":
            host = at + 1
            at = _after_atom(value, host)
            if at == host:
                return -1
            out.put(b"(NIL NIL")
            return _add_mailbox(out, value, start, host, at)
        while start < at and at + 1 < size and value[at] == c" " and _is_atom(value[at + 1]):
            at = end = _after_atom(value, at + 1)
    at = _after_space(value, at)
    if at == size or value[at] != c"<":
        return -1
    if end > start:
        out.put(b'("')
        out.add(value, start, end)
        out.put(b'" NIL')
    else:
        out.put(b"(NIL NIL")
    start = at + 1
    at = _after_atom(value, start)
    host = at + 1
    if at == start or at == size or value[at] != c"@":
        return -1
    at = _after_atom(value, host)
    if at == host or at == size or value[at] != c">":
        return -1
    return _add_mailbox(out, value, start, host, at) + 1


cdef Py_ssize_t _add_mailbox(_Wire out, bytes value, Py_ssize_t start, Py_ssize_t host, Py_ssize_t end) except -2:
    out.put(b' "')
    out.add(value, start, host - 1)
    out.put(b'" "')
    out.add(value, host, end)
    out.put(b'")')
    return end


cdef int _read_content(_Wire out, _Entity entity, list values) except -1:
    """What the Content-* fields say."""
    cdef Py_ssize_t start
    cdef bytes value = values[TYPE]
    if value is None:
        _set_type(entity, TEXT_PLAIN)
    elif not _read_type(out, entity, value):
        _set_type(entity, content_type(value))
    _read_encoding(entity, values[ENCODING])
    start = out.size
    if entity.fixed is None or values[ID] is not None or values[DESCRIPTION] is not None:
        _add_string(out, values[ID])
        out.put_octet(c" ")
        _add_string(out, values[DESCRIPTION])
        out.put_octet(c" ")
        out.put(quote(entity.encoding))
        entity.fixed = out.take(start)
    entity.md5, entity.extension = b"NIL", b"NIL NIL NIL"
    if values[MD5] is not None:
        _add_string(out, values[MD5])
        entity.md5 = out.take(start)
    if values[DISPOSITION] is not None or values[LANGUAGE] is not None or values[LOCATION] is not None:
        _add_disposition(out, entity, values[DISPOSITION])
        out.put_octet(c" ")
        out.put(language_wire(values[LANGUAGE]))
        out.put_octet(c" ")
        _add_string(out, values[LOCATION])
        entity.extension = out.take(start)
    return 0


cdef int _set_type(_Entity entity, kind) except -1:
    """From a ContentType."""
    entity.name, entity.wire, entity.subtype = kind.name, kind.wire, kind.subtype
    entity.charset, entity.boundary, entity.is_text = kind.charset, kind.boundary, kind.is_text
    return 0


cdef bint _read_type(_Wire out, _Entity entity, bytes value) except -1:
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
    entity.charset = entity.boundary = None
    if not _add_parameters(out, entity, value, end):
        out.size = mark
        return False
    entity.is_text = _says(value, start, slash, b"text")
    if entity.charset is None:
        entity.charset = b""
        if entity.is_text:  # RFC 2046 §4.1.2
            entity.charset = b"us-ascii"
            written = out.take(parameters)
            out.put(b'("CHARSET" "us-ascii"')
            out.put(b")" if written == b"NIL" else b" " + _cut(written, 1, len(written)))
    if not _says(value, start, slash, b"multipart"):
        entity.boundary = None
    else:
        entity.boundary = b"" if entity.boundary is None else entity.boundary.rstrip()
        if not 0 < len(entity.boundary) <= MAX_BOUNDARY:
            out.size = mark
            return False
        entity.subtype = out.since(mark + slash - start + 3)
    entity.wire = out.take(mark)
    if _says(value, start, end, b"text/plain"):
        entity.name = b"TEXT/PLAIN"
    elif _says(value, start, end, b"text/html"):
        entity.name = b"TEXT/HTML"
    else:
        out.add_upper(value, start, end)
        entity.name = out.take(mark)
    return True


cdef bint _add_parameters(_Wire out, _Entity entity, bytes value, Py_ssize_t at) except -1:
    """*(";" name "=" (token / quoted-string)); False: one is of another form, and all are taken back.

    Nothing folded within, no sections (RFC 2231), no quoted pairs. Of an entity's Content-Type the
    charset and the boundary are kept.
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
        if value[at] != c";" or name_end == name or name_end == size or value[name_end] != c"=" or count == 20:
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
        if entity is not None:
            if entity.charset is None and _says(value, name, name_end, b"charset"):
                entity.charset = _cut(value, start, end)
            elif entity.boundary is None and _says(value, name, name_end, b"boundary"):
                entity.boundary = _cut(value, start, end)
    out.size = mark
    return False


cdef int _read_encoding(_Entity entity, bytes value) except -1:
    cdef Py_ssize_t start, end
    if value is None:
        entity.encoding, entity.fixed = b"7BIT", b'NIL NIL "7BIT"'
        return 0
    start, end = _after_space(value, 0), len(value)
    while end > start and _is_space(value[end - 1]):
        end -= 1
    if _says(value, start, end, b"7bit"):
        entity.encoding, entity.fixed = b"7BIT", b'NIL NIL "7BIT"'
    elif _says(value, start, end, b"quoted-printable"):
        entity.encoding, entity.fixed = b"QUOTED-PRINTABLE", b'NIL NIL "QUOTED-PRINTABLE"'
    elif _says(value, start, end, b"base64"):
        entity.encoding, entity.fixed = b"BASE64", b'NIL NIL "BASE64"'
    elif _says(value, start, end, b"8bit"):
        entity.encoding, entity.fixed = b"8BIT", b'NIL NIL "8BIT"'
    else:
        entity.encoding, entity.fixed = transfer_encoding(value), None
    return 0


cdef int _add_disposition(_Wire out, _Entity entity, bytes value) except -1:
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
            entity.is_attachment = _says(value, start, end, b"attachment")
            return out.put_octet(c")")
    out.size = mark
    wire, entity.is_attachment = disposition_wire(value)
    return out.put(wire)
