-- Copies or moves messages to another mailbox of the account.
-- own: mailbox id; 'i' and id, or 'n' and name, of the destination; 'copy' or 'move'; uids; then for a step of
--      a larger command: operation id, its lease (Unix milliseconds), number of the step from 0, 'last' or ''
-- reply: destination id u64, its uidvalidity u32, seq u64, number of rows u32; source uids; new uids
-- errors: MAILBOX_NOT_FOUND, DESTINATION_NOT_FOUND, LIMIT, OPERATION_ENDED
local function sources(box, uids)
  local found = {}
  for at = 1, #uids, 4 do
    local uid = struct.unpack('<I4', uids, at)
    local page = open_page(box, math.floor(uid / 128))
    local place = page and place_of(page, uid)
    if place then
      local flags, keywords = read_head(page, place)
      if bit.band(flags, TOMBSTONE) == 0 then
        found[#found + 1] = { uid = uid, page = page, place = place, flags = flags, keywords = keywords,
          tail = record_tail(page, place), size = record_size(page, place), body = record_body(page, place) }
      end
    end
  end
  return found
end

local function read_summaries(box, found)
  local from = 1
  while from <= #found do
    local page, to, low, high = found[from].page, from, 127, 0
    while to <= #found and found[to].page == page do
      low, high = math.min(low, found[to].uid % 128), math.max(high, found[to].uid % 128)
      to = to + 1
    end
    local some = redis.call('LRANGE', summary_key(box, page.number), int(low), int(high))
    for i = from, to - 1 do found[i].summary = some[found[i].uid % 128 - low + 1] or '' end
    from = to
  end
end

-- Keywords go by name: bit by bit from one mailbox's list to the other's. Most messages have the same few.
local mapped = {}
local function map_keywords(source, target, flags, keywords)
  local set = u32(flags - flags % 65536) .. u32(keywords)
  if mapped[set] then return bit.bor(flags % 65536, mapped[set][1]) % TWO32, mapped[set][2] end
  local names = {}
  for n, word in ipairs(source.keywords) do
    local b = n - 1
    local is_set
    if b < 16 then is_set = bit.band(flags, bit.lshift(1, 16 + b)) ~= 0
    else is_set = bit.band(keywords, bit.lshift(1, b - 16)) ~= 0 end
    if is_set then names[#names + 1] = word end
  end
  local low, high = keyword_bits(target, table.concat(names, '\n'))
  mapped[set] = { low, high }
  return bit.bor(flags % 65536, low) % TWO32, high
end

-- The record of a larger command: what its steps made, for whoever must undo them. A step
-- behind the first one needs it: without it, or with `undo` in it, the steps before are undone.
local function check_operation()
  local id, step = ARGV[OWN + 6], ARGV[OWN + 8]
  if not id or step == '0' then return end
  local record = redis.call('HMGET', SHARD .. ':op:' .. id, 'kind', 'undo')
  if not record[1] or record[2] then refuse('OPERATION_ENDED', 'the command was given up') end
end

local function open_destination()
  local word = 'DESTINATION_NOT_FOUND'
  if ARGV[OWN + 2] == 'i' then return open_mailbox(ARGV[OWN + 3], word) end
  return find_mailbox(ARGV[OWN + 3], word)
end

local function note_step(target, new)
  local id, lease, step, last = ARGV[OWN + 6], ARGV[OWN + 7], ARGV[OWN + 8], ARGV[OWN + 9]
  if not id then return end
  local key = SHARD .. ':op:' .. id
  if last == 'last' then
    effect('D', key)
    effect('Y', SHARD .. ':ops', key)
    return
  end
  effect('H', key, 'account', ACCOUNT, 'kind', ARGV[OWN + 4], 'mailbox', target.id, 'uids:' .. step, new)
  effect('Z', SHARD .. ':ops', lease, key)
end

local function run()
  begin()
  check_operation()
  local box = open_mailbox(ARGV[OWN + 1])
  local target = open_destination()
  local moving = ARGV[OWN + 4] == 'move'
  local found = sources(box, ARGV[OWN + 5])
  read_summaries(box, found)
  local old, new = {}, {}
  if #found > 0 then next_seq() else without_seq() end
  local seq = account.seq
  for i, m in ipairs(found) do
    local flags, keywords = map_keywords(box, target, m.flags, m.keywords)
    -- save date (octets 28 to 31) is now, created_modseq (72 to 79) is this change
    local tail = string.sub(m.tail, 1, 12) .. u32(math.floor(NOW / 1000)) .. string.sub(m.tail, 17, 56) .. u64(seq)
    new[i] = u32(add_record(target, seq, flags, keywords, m.size, tail, m.summary))
    old[i] = u32(m.uid)
    if not moving then add_reference(m.body) end
  end
  if moving then
    for _, m in ipairs(found) do bury(box, m.page, m.place, m.uid, seq) end
    if #found > 0 then note_tombstones(box) end
  end
  old, new = table.concat(old), table.concat(new)
  note_step(target, new)
  local reply = u64(tonumber(target.id)) .. u32(target.uidv) .. u64(seq) .. u32(#found) .. old .. new
  if #found == 0 and #effects == 0 then return reply end
  return commit(reply, event(moving and 3 or 2, tonumber(target.id), tonumber(box.id), new))
end
