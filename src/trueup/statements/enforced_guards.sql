-- guards that are not off, to be switched off before anything else goes
select g.name from trueup.guards as g where g.mode <> 'off' order by g.name;
