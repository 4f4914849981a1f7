-- Takes or extends the exclusive lock of a maildrop (RFC 1939 §4).
-- own: lock token; milliseconds; 'open' or 'renew'
-- reply: '' · errors: MAILDROP_LOCKED, MAILDROP_LOCK_LOST
local function run()
  begin()
  without_seq()
  local token, ttl = ARGV[OWN + 1], ARGV[OWN + 2]
  local holder = redis.call('GET', P .. ':lock')
  if ARGV[OWN + 3] == 'open' then
    if holder and holder ~= token then refuse('MAILDROP_LOCKED', 'the maildrop is in use') end
  elseif holder ~= token then
    refuse('MAILDROP_LOCK_LOST', 'the lock was lost')
  end
  transient('SET', P .. ':lock', token, 'PX', ttl)
  return commit('')
end
