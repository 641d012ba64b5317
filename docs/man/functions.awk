# Writes the header's functions as roff, section by section: awk -f functions.awk include/supcon.h
/^\/\* -----/ { titled = 1; next }
titled { sub(/^ \* */, ""); sub(/ *\*\/$/, ""); title = $0; titled = 0; next }
/^#define/ || continued { continued = /\\$/; next }
{
  line = $0
  while (1) {  # without comments
    if (inside) {
      if (!(at = index(line, "*/"))) { line = ""; break }
      line = substr(line, at + 2); inside = 0
    } else {
      if (!(at = index(line, "/*"))) break
      rest = substr(line, at + 2); line = substr(line, 1, at - 1)
      if (end = index(rest, "*/")) line = line substr(rest, end + 2); else inside = 1
      if (inside) break
    }
  }
  while (match(line, /supcon_[a-z0-9_]+ *\(/)) {
    name = substr(line, RSTART, RLENGTH); sub(/ *\($/, "", name)
    line = substr(line, RSTART + RLENGTH)
    if (title) { print ".SS " toupper(substr(title, 1, 1)) substr(title, 2); title = "" }
    print ".BR " name " ()"
    print ".br"
  }
}
