select trueup.begin_booking_import(
    %(company_id)s, p_from => %(start)s, p_to => %(until)s, p_taken_at => %(taken_at)s
)
