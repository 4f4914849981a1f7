-- Removes messages: with the Deleted flag, or whatever their flags ('force': a maildrop, an undone copy).
-- own: mailbox id; uids; 'force' or ''; maildrop lock or ''
-- reply: seq u64, uids of what is gone · errors: MAILDROP_LOCK_LOST
local function run()
  begin()
  local lock = ARGV[OWN + 4]
  if lock ~= '' then
    if redis.call('GET', P .. ':lock') ~= lock then refuse('MAILDROP_LOCK_LOST', 'the lock was lost') end
    transient('DEL', P .. ':lock')
  end
  local uids, force = ARGV[OWN + 2], ARGV[OWN + 3] == 'force'
  local gone, seq = {}, account.seq
  if #uids > 0 then
    local box = open_mailbox(ARGV[OWN + 1])
    seq = seq + 1
    for at = 1, #uids, 4 do
      local uid = struct.unpack('<I4', uids, at)
      local page = open_page(box, math.floor(uid / 128))
      local place = page and place_of(page, uid)
      local flags = place and read_head(page, place)
      if place and bit.band(flags, TOMBSTONE) == 0 and (force or bit.band(flags, DELETED) ~= 0) then
        drop_reference(record_body(page, place), flags)
        bury(box, page, place, uid, seq)
        gone[#gone + 1] = u32(uid)
      end
    end
    if #gone > 0 then note_tombstones(box) end
  end
  gone = table.concat(gone)
  if #gone > 0 then
    next_seq()
    return commit(u64(seq) .. gone, event(4, tonumber(ARGV[OWN + 1]), 0, gone))
  end
  account.seq, account.gaps = account.was, nil
  if #transients > 0 then return commit(u64(account.seq)) end
  return u64(account.seq)
end
