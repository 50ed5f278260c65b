select ch.name, ch.owes_full
from trueup.checks as ch
where ch.is_active and ch.owes_full is not null;
