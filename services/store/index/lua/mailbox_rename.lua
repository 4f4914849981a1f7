-- Renames a mailbox with its children; INBOX leaves an empty INBOX behind (RFC 9051 §6.3.6).
-- own: name, new name · reply: ''
-- errors: MAILBOX_NOT_FOUND, MAILBOX_EXISTS, MAILBOX_NAME, LIMIT
local function rename_one(from, to)
  local entry = name_entry(from)
  local old = name_entry(to)
  if old and old.subscribed == '1' then entry.subscribed = '1' end
  set_name(to, entry)
  if entry.id ~= '0' then effect('H', P .. ':m:' .. entry.id, 'name', to) end
  effect('R', P .. ':n', from)
  return entry
end

local function run()
  begin()
  local from, to = ARGV[OWN + 1], ARGV[OWN + 2]
  local entry = name_entry(from)
  if not exists(entry) then refuse('MAILBOX_NOT_FOUND', 'no such mailbox') end
  if exists(name_entry(to)) or to == from then refuse('MAILBOX_EXISTS', 'the new name is taken') end
  if from ~= 'INBOX' and string.sub(to, 1, #from + 1) == from .. '/' then
    refuse('MAILBOX_NAME', 'a mailbox cannot be inside itself')
  end
  check_limit((from == 'INBOX' and 1 or 0) + create_parents(to))
  next_seq()
  if from == 'INBOX' then
    local old = name_entry(to)
    set_name(to, { id = entry.id, subscribed = old and old.subscribed or '0', use = '0' })
    effect('H', P .. ':m:' .. entry.id, 'name', to)
    new_mailbox('INBOX', '0')
    return commit('', event(8, tonumber(entry.id), 0, nil, to))
  end
  for _, child in ipairs(children_of(from)) do
    if exists(name_entry(to .. string.sub(child, #from + 1))) then refuse('MAILBOX_EXISTS', 'a new name is taken') end
    rename_one(child, to .. string.sub(child, #from + 1))
  end
  rename_one(from, to)
  return commit('', event(8, tonumber(entry.id), 0, nil, to))
end
