-- Gives an address back.
-- KEYS[1] {s0421}:a:@<address> · own: account · reply: ''
local function run()
  begin_shard()
  local key = SHARD .. ':' .. ACCOUNT
  if redis.call('HGET', key, 'account') ~= ARGV[OWN + 1] then return '' end
  effect('D', key)
  return commit('')
end
