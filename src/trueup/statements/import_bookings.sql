select i.import_id, i.status, i.page_bookings, i.page_added, i.bookings, i.expected
from trueup.import_bookings(
    %(company_id)s, %(page)s::text::jsonb, p_import_id => %(import_id)s, p_is_last => %(is_last)s
) as i
