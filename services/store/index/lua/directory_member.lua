-- Lists or unlists an address under its domain; the list helps to find accounts, the accounts decide.
-- KEYS[1] {s0421}:a:dom:<domain>, in the shard of the domain
-- own: address, account, '1' or '0' · reply: ''
local function run()
  begin_shard()
  local key, member = SHARD .. ':' .. ACCOUNT, ARGV[OWN + 1] .. '\0' .. ARGV[OWN + 2]
  local there = redis.call('ZSCORE', key, member)
  if ARGV[OWN + 3] == '1' and not there then
    effect('Z', key, '0', member)
  elseif ARGV[OWN + 3] == '0' and there then
    effect('Y', key, member)
  else
    return ''
  end
  return commit('')
end
