-- The records that a write script takes away or copies, and who else has their bodies. Behind _mailbox.lua.
local function record_tail(page, place) return string.sub(page.raw, 33 + 80 * place, 96 + 80 * place) end
local function record_size(page, place) return struct.unpack('<I4', page.raw, 17 + 80 * place + 24) end
local function record_body(page, place) return string.sub(page.raw, 17 + 80 * place + 32, 17 + 80 * place + 47) end

-- Makes a record a tombstone; the body stays whoever's it is.
local function bury(box, page, place, uid, modseq)
  local flags, keywords = read_head(page, place)
  write_head(page, place, bit.bor(flags, TOMBSTONE) % TWO32, keywords, modseq)
  page.live = page.live - 1
  box.count, box.tombs, box.modseq = box.count - 1, box.tombs + 1, modseq
  box.size = box.size - record_size(page, place)
  if bit.band(flags, SEEN) == 0 then box.unseen = box.unseen - 1 end
  if bit.band(flags, DELETED) ~= 0 then box.deleted = box.deleted - 1 end
  page.buried = page.buried or {}
  page.buried[#page.buried + 1] = uid % 128
end

-- References to bodies inside the account, kept only where there is more than one.
local references = {}
local function reference_count(body)
  if not references[body] then references[body] = tonumber(redis.call('HGET', P .. ':b', body) or '1') end
  return references[body]
end
local function add_reference(body)
  references[body] = reference_count(body) + 1
  effect('H', P .. ':b', body, int(references[body]))
end
local function drop_reference(body, flags)
  local count = reference_count(body) - 1
  references[body] = count
  if count > 1 then
    effect('H', P .. ':b', body, int(count))
  elseif count == 1 then
    effect('R', P .. ':b', body)
  else
    local kind = bit.band(flags, SHARED) ~= 0 and '+' or '-'
    effect('Z', SHARD .. ':garbage', int(NOW), ACCOUNT .. kind .. body)
  end
end
-- Mailboxes with tombstones are looked through by the collector; one that waits keeps its place.
local function note_tombstones(box)
  local entry = ACCOUNT .. '|' .. box.id
  if not redis.call('ZSCORE', SHARD .. ':tombs', entry) then effect('Z', SHARD .. ':tombs', int(NOW), entry) end
end
