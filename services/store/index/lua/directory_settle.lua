-- Says that an account, which is the authority, has the address.
-- KEYS[1] {s0421}:a:@<address> · own: account · reply: ''
local function run()
  begin_shard()
  local key = SHARD .. ':' .. ACCOUNT
  local account, state = unpack(redis.call('HMGET', key, 'account', 'state'))
  if account ~= ARGV[OWN + 1] or state == 'settled' then return '' end
  effect('H', key, 'state', 'settled')
  return commit('')
end
