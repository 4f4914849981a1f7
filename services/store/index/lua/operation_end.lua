-- Forgets a finished or undone operation.
-- own: operation key · reply: ''
local function run()
  begin_shard()
  effect('D', ARGV[OWN + 1])
  effect('Y', SHARD .. ':ops', ARGV[OWN + 1])
  return commit('')
end
