delete from trueup.objects as o
where o.kind = %(kind)s and o.identity = %(identity)s;
