-- the number is normalised only where it is not spelled as the customer's already
select
    c.id, c.company_id, c.customer_id, c.customer_link_method, c.customer_link_confidence, c.customer_linked_at
from public.calls as c
left join public.customers as k on c.customer_id = k.id
where
    c.deleted_at is null
    and (
        c.customer_link_confidence not between 0 and 100
        or (
            c.customer_link_status = 'linked'
            and c.customer_id is not null
            and (
                c.customer_link_method is null
                or c.customer_link_confidence is null
                or c.customer_linked_at is null
                or (
                    c.customer_link_method = 'phone_match'
                    and (
                        k.company_id <> c.company_id
                        or not coalesce(
                            c.from_number = k.phone_normalized
                            or regexp_replace(regexp_replace(c.from_number, '[^0-9+]', '', 'g'), '^00', '+')
                            = k.phone_normalized
                            or (
                                c.direction = 'outbound'
                                and regexp_replace(regexp_replace(c.to_number, '[^0-9+]', '', 'g'), '^00', '+')
                                = k.phone_normalized
                            ),
                            false
                        )
                    )
                )
            )
        )
    )
