-- Removes pages of a mailbox that is gone (deleted, or its account is), at most eight a call;
-- its bodies go onto the garbage list. Mailbox 0: what is left of a deleted account.
-- own: mailbox id · reply: '1' when nothing is left
local function drop_page(id, number)
  local box = { id = id }
  local raw = redis.call('GET', page_key(box, number)) or ''
  for at = 17, #raw, 80 do
    local flags = struct.unpack('<I4', raw, at + 8)
    if bit.band(flags, TOMBSTONE) == 0 then drop_reference(string.sub(raw, at + 32, at + 47), flags) end
  end
  effect('D', page_key(box, number))
  effect('D', summary_key(box, number))
end

local function run()
  begin_shard()
  local id = ARGV[OWN + 1]
  local entry = ACCOUNT .. '|' .. id
  if id == '0' then
    for _, name in ipairs({ ':n', ':b', ':lock' }) do effect('D', P .. name) end
    effect('D', P)
    effect('Y', SHARD .. ':dead', entry)
    return commit('1')
  end
  local key = P .. ':d:' .. id
  local directory = redis.call('GET', key) or ''
  local pages = #directory / 16
  local first = math.max(0, pages - 8)
  for place = first, pages - 1 do drop_page(id, (struct.unpack('<I4', directory, place * 16 + 1))) end
  if first > 0 then
    effect('W', key, string.sub(directory, 1, first * 16))
    return commit('0')
  end
  effect('D', key)
  effect('D', header_key(id))
  effect('Y', SHARD .. ':dead', entry)
  return commit('1')
end
