-- Takes a body off the garbage list after its grace; for one shared between accounts
-- (KEYS[1] is then its reference set's owner) see references.lua.
-- own: member of the list · reply: '1' when it was on it
local function run()
  begin_shard()
  if not redis.call('ZSCORE', SHARD .. ':garbage', ARGV[OWN + 1]) then return '0' end
  effect('Y', SHARD .. ':garbage', ARGV[OWN + 1])
  return commit('1')
end
