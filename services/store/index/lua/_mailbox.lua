-- A mailbox in a write script: its header, page directory and pages as objects
-- that are changed in memory and turned into effects at commit.
--
-- page       16-octet bitmap of present slots (uid mod 128), then records of 80 octets in UID order
-- summaries  list of a page: place uid mod 128, '' where there is none
-- directory  16 octets a page: number u32, live records u32, highest modseq u64
-- record     modseq u64, flags u64, date i64, size u32, saved u32, body 16, offset u32, stored u32,
--            email u64, thread u64, created u64
local SEEN, DELETED, SHARED, TOMBSTONE = 1, 8, 16384, 32768
local SYSTEM = 31
local NUMBERS = { 'uidv', 'uidnext', 'modseq', 'count', 'unseen', 'deleted', 'size', 'recent', 'tombs' }

local function popcount(v)
  v = v - bit.band(bit.rshift(v, 1), 0x55555555)
  v = bit.band(v, 0x33333333) + bit.band(bit.rshift(v, 2), 0x33333333)
  v = bit.band(v + bit.rshift(v, 4), 0x0f0f0f0f)
  return bit.rshift(bit.band(bit.tobit(v * 0x01010101 % TWO32), 0xffffffff), 24)
end

local function header_key(id) return P .. ':m:' .. id end
local function page_key(box, page) return P .. ':p:' .. box.id .. ':' .. int(page) end
local function summary_key(box, page) return P .. ':s:' .. box.id .. ':' .. int(page) end

local function flush_box(box)
  local changed, was = {}, box.was
  for _, name in ipairs(NUMBERS) do
    local now = box[name]
    if now ~= was[name] then
      changed[#changed + 1] = name
      changed[#changed + 1] = int(now)
    end
  end
  if box.keywords_changed then
    changed[#changed + 1] = 'kw'
    changed[#changed + 1] = table.concat(box.keywords, '\n')
  end
  if box.inc < account.inc then
    changed[#changed + 1] = 'inc'
    changed[#changed + 1] = int(account.inc)
  end
  if #changed > 0 then effect('H', header_key(box.id), unpack(changed)) end
end

-- The mailbox with this id; refuses when it is not there.
local function open_mailbox(id, word)
  if mailboxes[id] then return mailboxes[id] end
  local h = redis.call('HMGET', header_key(id), 'uidv', 'uidnext', 'modseq', 'count', 'unseen', 'deleted', 'size',
    'recent', 'tombs', 'kw', 'inc', 'gone')
  if not h[1] or h[12] then refuse(word or 'MAILBOX_NOT_FOUND', 'no such mailbox') end
  local box = { id = id, was = {}, keywords = {}, bits = {}, pages = {}, inc = incarnation_of(h[11]) }
  for i, name in ipairs(NUMBERS) do
    box[name] = tonumber(h[i])
    box.was[name] = box[name]
  end
  if box.inc < account.inc then
    box.uidnext = math.min(box.uidnext + (account.inc - box.inc) * UID_JUMP, TWO32 - 1)
  end
  if h[10] and h[10] ~= '' then
    for word in string.gmatch(h[10], '[^\n]+') do
      box.keywords[#box.keywords + 1] = word
      box.bits[string.lower(word)] = #box.keywords - 1
    end
  end
  box.known_keywords = #box.keywords
  box.directory = redis.call('GET', P .. ':d:' .. id) or ''
  box.entries = #box.directory / 16
  mailboxes[id] = box
  flushes[#flushes + 1] = function() flush_box(box) end
  return box
end

local function find_mailbox(name, word)
  local value = redis.call('HGET', P .. ':n', name)
  local id = value and string.match(value, '^(%d+)|')
  if not id or id == '0' then refuse(word or 'MAILBOX_NOT_FOUND', 'no such mailbox') end
  return open_mailbox(id)
end

-- Bits 16 to 63 for keyword names, as (low word, high word); new names take new bits unless `known_only`.
local function keyword_bits(box, names, known_only)
  local low, high = 0, 0
  if names == '' then return low, high end
  for word in string.gmatch(names, '[^\n]+') do
    local n = box.bits[string.lower(word)]
    if not n and not known_only then
      n = #box.keywords
      if n >= 48 then refuse('LIMIT', 'too many keywords in this mailbox') end
      box.keywords[n + 1] = word
      box.bits[string.lower(word)] = n
      box.keywords_changed = true
    end
    if n and n < 16 then low = bit.bor(low, bit.lshift(1, 16 + n)) end
    if n and n >= 16 then high = bit.bor(high, bit.lshift(1, n - 16)) end
  end
  return low % TWO32, high % TWO32
end

-- The place of a page in the directory (from 0), and whether it is there.
local function directory_place(box, page)
  local low, high = 0, box.entries
  while low < high do
    local middle = math.floor((low + high) / 2)
    if struct.unpack('<I4', box.directory, middle * 16 + 1) < page then low = middle + 1 else high = middle end
  end
  return low, low < box.entries and struct.unpack('<I4', box.directory, low * 16 + 1) == page
end

-- The list is as long as the page's UIDs have come, and is not there while nothing lives in the page.
local function flush_summaries(box, page)
  local key = summary_key(box, page.number)
  if page.live == 0 then return effect('D', key) end
  if page.buried then
    local places = redis.call('LLEN', key)
    for _, slot in ipairs(page.buried) do
      if slot < places then effect('L', key, int(slot), '') end -- LSET fails where there is no place
    end
  end
  if page.summaries then effect('P', key, unpack(page.summaries)) end
end

local function flush_page(box, page)
  local key, changes = page.key, 0
  for _ in pairs(page.changed) do changes = changes + 1 end
  local bitmap, appended = struct.pack('<I4I4I4I4', unpack(page.words)), table.concat(page.appended)
  if #page.appended > 0 and changes == 0 and (#page.appended > 16 or page.words[4] >= 2147483648) then
    -- Written anew when its last slot is taken: SETRANGE leaves room for as much again behind what it adds.
    effect('W', key, bitmap .. string.sub(page.raw or redis.call('GET', key), 17) .. appended)
  elseif #page.appended > 0 then
    effect('S', key, '0', bitmap)
    effect('S', key, int(16 + 80 * page.n), appended)
  end
  if changes > 16 then
    local pieces, from = {}, 17
    for place = 0, page.n - 1 do
      local head = page.changed[place]
      if head then
        local at = 17 + 80 * place
        pieces[#pieces + 1] = string.sub(page.raw, from, at - 1) .. head
        from = at + 16
      end
    end
    effect('S', key, '16', table.concat(pieces) .. string.sub(page.raw, from))
  else
    for place, head in pairs(page.changed) do effect('S', key, int(16 + 80 * place), head) end
  end
  if changes > 0 or #page.appended > 0 then
    effect('S', P .. ':d:' .. box.id, int(page.place * 16),
      struct.pack('<I4I4I8', page.number, page.live, page.modseq))
  end
  if page.summaries or page.buried then flush_summaries(box, page) end
end

local function read_records(page)
  page.raw = redis.call('GET', page.key) or ''
  if #page.raw < 96 then refuse('GENERATION', 'a page is missing') end
  return page
end

-- A page to be changed, with its records in `raw`; nil when it is not there. With `create` it is made (only
-- behind the last one), and one that is there is read no further than what adding to it needs.
local function open_page(box, number, create)
  local page = box.pages[number]
  if page then return (create or page.raw) and page or read_records(page) end
  if page == false and not create then return nil end
  local place, there = directory_place(box, number)
  if not there and not create then
    box.pages[number] = false
    return nil
  end
  page = { number = number, key = page_key(box, number), place = place, changed = {}, appended = {}, live = 0,
           modseq = 0, n = 0, words = { 0, 0, 0, 0 } }
  if there then
    page.n = (redis.call('STRLEN', page.key) - 16) / 80
    if page.n < 1 then refuse('GENERATION', 'a page is missing') end
    page.words = { struct.unpack('<I4I4I4I4', redis.call('GETRANGE', page.key, 0, 15)) }
    page.words[5] = nil
    page.live, page.modseq = struct.unpack('<I4I8', box.directory, place * 16 + 5)
    if not create then read_records(page) end
  else
    page.raw = ''
    box.directory = box.directory .. struct.pack('<I4I4I8', number, 0, 0)
    box.entries = box.entries + 1
  end
  box.pages[number] = page
  flushes[#flushes + 1] = function() flush_page(box, page) end
  return page
end

-- The place of a UID among the records of its page, or nil.
local function place_of(page, uid)
  local slot = uid % 128
  local w = math.floor(slot / 32)
  local word, below = page.words[w + 1], slot % 32
  if bit.band(word, bit.lshift(1, below)) == 0 then return nil end
  local place = popcount(bit.band(word, bit.lshift(1, below) - 1) % TWO32)
  for i = 1, w do place = place + popcount(page.words[i]) end
  return place
end

-- Flags of a record as (low, high) and its modseq, with what this script has changed.
local function read_head(page, place)
  local head = page.changed[place]
  local modseq, flags, keywords = struct.unpack('<I8I4I4', head or page.raw, head and 1 or 17 + 80 * place)
  return flags, keywords, modseq
end

local function write_head(page, place, flags, keywords, modseq)
  page.changed[place] = struct.pack('<I8I4I4', modseq, flags, keywords)
  page.modseq = modseq
end

-- The places that a new list begins with: of the UIDs before.
local function places_before(page, slot)
  local list = {}
  if page.live == 0 then
    for n = 1, slot do list[n] = '' end
  end
  return list
end

-- Adds a record of flags and 64 octets behind them; returns its UID.
local function add_record(box, modseq, flags, keywords, size, tail, summary)
  local uid = box.uidnext
  if uid >= TWO32 - 1 then refuse('LIMIT', 'the mailbox has used all its UIDs') end
  local page = open_page(box, math.floor(uid / 128), true)
  local slot = uid % 128
  local w = math.floor(slot / 32) + 1
  page.words[w] = bit.bor(page.words[w], bit.lshift(1, slot % 32)) % TWO32
  page.appended[#page.appended + 1] = struct.pack('<I8I4I4', modseq, flags, keywords) .. tail
  page.summaries = page.summaries or places_before(page, slot)
  page.summaries[#page.summaries + 1] = summary
  page.live, page.modseq = page.live + 1, modseq
  box.uidnext, box.count, box.size, box.modseq = uid + 1, box.count + 1, box.size + size, modseq
  if bit.band(flags, SEEN) == 0 then box.unseen = box.unseen + 1 end
  if bit.band(flags, DELETED) ~= 0 then box.deleted = box.deleted + 1 end
  return uid
end
