-- Adds or removes a domain.
-- KEYS[1] {s0000}:a:domains
-- own: name, '1' to add or '0' to remove · reply: creation time, Unix milliseconds
-- errors: DOMAIN_EXISTS, DOMAIN_NOT_FOUND
local function run()
  begin_shard()
  local key, name = SHARD .. ':domains', ARGV[OWN + 1]
  local created = redis.call('HGET', key, name)
  if ARGV[OWN + 2] == '1' then
    if created then refuse('DOMAIN_EXISTS', 'the domain is there') end
    effect('H', key, name, int(NOW))
    return commit(int(NOW))
  end
  if not created then refuse('DOMAIN_NOT_FOUND', 'no such domain') end
  effect('R', key, name)
  return commit(created)
end
