-- Creates a mailbox and the missing levels above it.
-- own: name, special use (number) · reply: id · errors: MAILBOX_EXISTS, LIMIT
local function run()
  begin()
  local name = ARGV[OWN + 1]
  local old = name_entry(name)
  if old and old.id ~= '0' then refuse('MAILBOX_EXISTS', 'the mailbox exists') end
  check_limit(1 + create_parents(name))
  local id = new_mailbox(name, ARGV[OWN + 2])
  return commit(id, event(6, tonumber(id), 0, nil, name))
end
