# Counts the lines of a log by hour and level, and writes a report for people and a result for programs. A line that does
# not start with a time and a level ("2026-03-02T14:05:09Z ERROR checkout: …") belongs to the previous line.
#
# Variables: expected (lines, for progress), top. Environment: LOG_NAME, REPORT_FILE, RESULT_FILE.

BEGIN {
  levelCount = split("DEBUG INFO WARN ERROR", levels, " ")
  for (i = 1; i <= levelCount; i++) isLevel[levels[i]] = 1
  step = expected > 20 ? int(expected / 20) : 1
}

NR % step == 0 && NR < expected {
  printf "::progress %.2f %d of %d lines\n", NR / expected, NR, expected
  fflush()
}

/^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][T ][0-9][0-9]:/ && ($2 in isLevel || $3 in isLevel) {
  level = $2 in isLevel ? $2 : $3
  hour = substr($0, 1, 10) " " substr($0, 12, 2) ":00"
  if (!(hour in perHour)) hours[++hourCount] = hour
  perHour[hour]++
  count[hour, level]++
  perLevel[level]++
  if (level == "WARN" || level == "ERROR") kinds[level " " kindOf($0, level)]++
  next
}

{ continued++ }

END {
  if (hourCount == 0) {
    print "log: " ENVIRON["LOG_NAME"] " has no line that begins with a time and a level." > "/dev/stderr"
    exit 65
  }
  sortHours()
  for (i = 1; i <= hourCount; i++) if (perHour[hours[i]] > perHour[busiest]) busiest = hours[i]
  while (frequentCount < top && (kind = mostFrequent()) != "") {
    frequent[++frequentCount] = kind
    frequency[frequentCount] = kinds[kind]
    delete kinds[kind]
  }
  writeReport(ENVIRON["REPORT_FILE"])
  writeResult(ENVIRON["RESULT_FILE"])
}

# A message without its numbers, so that similar messages count together.
function kindOf(line, level) {
  line = substr(line, index(line, " " level " ") + length(level) + 2)
  sub(/^ +/, "", line)
  gsub(/[0-9]+/, "#", line)
  gsub(/[\001-\037\177]/, " ", line)
  if (length(line) <= 160) return line
  line = substr(line, 1, 160)
  # Do not cut a character in half.
  sub(/[\300-\377][\200-\277]*$/, "", line)
  return line "..."
}

# Insertion sort: fast for nearly sorted input, such as the hours of a log.
function sortHours(   i, j, hour) {
  for (i = 2; i <= hourCount; i++) {
    hour = hours[i]
    for (j = i; j > 1 && hours[j - 1] > hour; j--) hours[j] = hours[j - 1]
    hours[j] = hour
  }
}

# Ties are sorted by text, because awk visits keys in no fixed order.
function mostFrequent(   kind, best) {
  for (kind in kinds) {
    if (best == "" || kinds[kind] > kinds[best] || (kinds[kind] == kinds[best] && kind < best)) best = kind
  }
  return best
}

function writeReport(file,   i, j) {
  print "# " ENVIRON["LOG_NAME"] "\n" > file
  print NR " lines from " hours[1] " to " hours[hourCount] "; the busiest hour began at " busiest ".\n" > file
  printf "| Hour |" > file
  for (j = 1; j <= levelCount; j++) printf " %s |", levels[j] > file
  printf "\n|---|" > file
  for (j = 1; j <= levelCount; j++) printf "---:|" > file
  for (i = 1; i <= hourCount; i++) {
    printf "\n| %s |", hours[i] > file
    for (j = 1; j <= levelCount; j++) printf " %d |", count[hours[i], levels[j]] > file
  }
  printf "\n| **Sum** |" > file
  for (j = 1; j <= levelCount; j++) printf " **%d** |", perLevel[levels[j]] > file
  print "\n\n## Most frequent warnings and errors\n" > file
  for (i = 1; i <= frequentCount; i++) print "- " frequency[i] " x " frequent[i] > file
  if (frequentCount == 0) print "None." > file
  close(file)
}

function writeResult(file,   i, separator) {
  printf "{ \"log\": %s, \"lines\": %d, \"continuationLines\": %d,\n", quote(ENVIRON["LOG_NAME"]), NR, continued > file
  printf "  \"firstHour\": \"%s\", \"lastHour\": \"%s\",\n", hours[1], hours[hourCount] > file
  printf "  \"busiestHour\": \"%s\",\n", busiest > file
  printf "  \"levels\": {" > file
  for (i = 1; i <= levelCount; i++) {
    printf "%s \"%s\": %d", separator, levels[i], perLevel[levels[i]] > file
    separator = ","
  }
  printf " },\n  \"frequent\": [" > file
  separator = ""
  for (i = 1; i <= frequentCount; i++) {
    printf "%s\n    { \"count\": %d, \"message\": %s }", separator, frequency[i], quote(frequent[i]) > file
    separator = ","
  }
  print "\n  ] }" > file
  close(file)
}

function quote(text) {
  gsub(/[\001-\037\177]/, " ", text)
  # gsub is not used, because awks differ in how many backslashes its replacement needs.
  return "\"" replaced(replaced(text, "\\", "\\\\"), "\"", "\\\"") "\""
}

function replaced(text, mark, replacement,   plain, at) {
  while ((at = index(text, mark)) > 0) {
    plain = plain substr(text, 1, at - 1) replacement
    text = substr(text, at + 1)
  }
  return plain text
}
