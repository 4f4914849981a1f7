-- Adds messages to a mailbox, all or none; Append and Deliver.
-- own: 'i' and id, or 'n' and name, of the mailbox; dedupe key or '';
--      then of each message: flags u32, 8 octets of internal date, size u32, stored length u32 (20 octets in all);
--      body id; keywords, one a line; summary
-- reply: duplicate u8, mailbox u64, uidvalidity u32, seq u64, uids
local function tail(fixed, body, seq)
  local saved = math.floor(NOW / 1000)
  return string.sub(fixed, 5, 16) .. u32(saved) .. body .. u32(0) .. string.sub(fixed, 17)
    .. struct.pack('<I8I8I8', seq, seq, seq)
end

-- The reply from what is remembered of it: mailbox, uidvalidity, seq, first UID, how many (they follow each
-- other), and 1 for a duplicate; as MessagePack, in which small numbers are short.
local function answer(told)
  local mailbox, uidvalidity, seq, first, count, duplicate = cmsgpack.unpack(told)
  local uids = {}
  for n = 1, count do uids[n] = u32(first + n - 1) end
  return struct.pack('<I1I8I4I8', duplicate or 0, mailbox, uidvalidity, seq) .. table.concat(uids)
end

local function bucket_of(day) return P .. ':dd:' .. int(day) end

-- A request remembers of a delivery only the day whose bucket has it, under the key that it comes with again.
recall = function(told)
  local day, more = cmsgpack.unpack(told)
  if not more then told = redis.call('HGET', bucket_of(day), ARGV[OWN + 3]) end
  if not told then refuse('GENERATION', 'a delivery is missing') end
  return answer(told)
end

-- A message that was delivered within a day is not delivered again: what the first one was told, else
-- today, and whether its bucket fades.
local function known_delivery(key)
  local day = math.floor(NOW / DAY)
  local known, kept = unpack(redis.call('HMGET', bucket_of(day), key, ''))
  return known or redis.call('HGET', bucket_of(day - 1), key), day, fades(kept, HOUR)
end

local function remember_delivery(bucket, key, told, is_fading)
  if not is_fading then return transient('HSET', bucket, key, told) end
  transient('HSET', bucket, key, told, '', int(NOW))
  transient('PEXPIRE', bucket, DEDUPE_TTL)
end

local function run()
  begin()
  local box = ARGV[OWN + 1] == 'i' and open_mailbox(ARGV[OWN + 2]) or find_mailbox(ARGV[OWN + 2])
  local dedupe = ARGV[OWN + 3]
  local known, day, is_fading
  if dedupe ~= '' then
    known, day, is_fading = known_delivery(dedupe)
    if known then -- remembered, so that every repeat of this request is told the same
      without_seq()
      flushes = {}
      known = known .. cmsgpack.pack(1)
      return commit(answer(known), nil, known)
    end
  end
  local seq, first = account.seq, box.uidnext
  for i = OWN + 4, #ARGV, 4 do
    seq = next_seq()
    local fixed, body = ARGV[i], ARGV[i + 1]
    local flags, _, size = struct.unpack('<I4I8I4', fixed)
    local low, high = keyword_bits(box, ARGV[i + 2])
    add_record(box, seq, bit.bor(flags, low) % TWO32, high, size, tail(fixed, body, seq), ARGV[i + 3])
  end
  local told = cmsgpack.pack(tonumber(box.id), box.uidv, seq, first, box.uidnext - first)
  local reply = answer(told)
  if day then
    remember_delivery(bucket_of(day), dedupe, told, is_fading)
    told = cmsgpack.pack(day)
  end
  return commit(reply, event(1, tonumber(box.id), 0, string.sub(reply, 22)), told)
end
