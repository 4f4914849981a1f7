-- Says that an account, which is the authority, has the address. A claim that fell because it
-- took too long is made again.
-- KEYS[1] {s0421}:a:@<address> · own: account; its primary address
-- reply: '' · errors: ADDRESS_EXISTS
local function run()
  begin_shard()
  local key = SHARD .. ':' .. ACCOUNT
  local holder, state = unpack(redis.call('HMGET', key, 'account', 'state'))
  if holder and holder ~= ARGV[OWN + 1] then refuse('ADDRESS_EXISTS', 'the address is taken') end
  if state == 'settled' then return '' end
  effect('H', key, 'account', ARGV[OWN + 1], 'primary', ARGV[OWN + 2], 'state', 'settled', 'time', int(NOW))
  return commit('')
end
