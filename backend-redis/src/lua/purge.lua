-- ARGV: instance. 0 purged, 1 no such instance, 2 not terminal.
local I = get(ARGV[1])
if not I then return 1 end
if not terminal(I) then return 2 end
generation().drop_work(I)
generation().drop_histories(I)
call('UNLINK', B .. 'i:' .. I.id, B .. 'r:' .. I.id)
call('ZREM', B .. 'ix', I.id)
note_change(I.id, true)
return 0
