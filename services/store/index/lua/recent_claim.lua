-- Takes the messages that no session was told of as \Recent (RFC 3501 §2.3.2).
-- own: mailbox id · reply: first such UID, u32
local function run()
  begin()
  without_seq()
  local box = open_mailbox(ARGV[OWN + 1])
  local first = box.recent
  box.uidnext = box.was.uidnext
  if first >= box.uidnext then return u32(0) end
  effect('H', header_key(box.id), 'recent', int(box.uidnext))
  flushes = {}
  return commit(u32(first))
end
