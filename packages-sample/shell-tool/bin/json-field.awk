# Prints one field of a JSON object: text, a number, true or false. Prints nothing if the field is absent or null. Exit
# code 65: the field is an object or a list, or the input is not an object. It does not detect invalid JSON, which the API
# never accepts. For small files: it reads the whole file and copies the rest with every token.
#
#   LC_ALL=C awk -v field=log -f json-field.awk parameters.json

{ text = text $0 "\n" }

END {
  if (take() != "{") refuse("The parameters must be an object.")
  while ((key = take()) ~ /^[",]/) {
    if (key == ",") continue
    take() # the colon
    value = take()
    if (value ~ /^[[{]/) skip()
    if (unquote(key) == field) found = value
  }
  if (found ~ /^[[{]/) refuse(field ": expected text or a number.")
  if (found != "null" && found != "") print(found ~ /^"/ ? unquote(found) : found)
}

function refuse(message) {
  print message > "/dev/stderr"
  exit 65
}

# The next token; empty at the end.
function take(   token) {
  sub(/^[ \t\r\n]+/, "", text)
  if (!match(text, /^"([^"\\]|\\.)*"/) && !match(text, /^[-+.0-9A-Za-z]+/) && !match(text, /^[]{}:,[]/)) return ""
  token = substr(text, 1, RLENGTH)
  text = substr(text, RLENGTH + 1)
  return token
}

# Skips the rest of an object or a list.
function skip(   depth, token) {
  for (depth = 1; depth > 0 && (token = take()) != ""; ) {
    if (token ~ /^[[{]/) depth++
    else if (token ~ /^[]}]/) depth--
  }
}

function unquote(token,   rest, plain, at, escape, unit) {
  rest = substr(token, 2, length(token) - 2)
  while ((at = index(rest, "\\")) > 0) {
    plain = plain substr(rest, 1, at - 1)
    escape = substr(rest, at + 1, 1)
    rest = substr(rest, at + 2)
    if (escape == "u") {
      unit = hex(substr(rest, 1, 4))
      rest = substr(rest, 5)
      # The first half of a surrogate pair: both halves make one character.
      if (unit >= 55296 && unit <= 56319 && rest ~ /^\\u[dD][c-fC-F]/) {
        unit = 65536 + (unit - 55296) * 1024 + hex(substr(rest, 3, 4)) - 56320
        rest = substr(rest, 7)
      }
      plain = plain utf8(unit)
    } else if (escape == "n") plain = plain "\n"
    else if (escape == "t") plain = plain "\t"
    else if (escape == "r") plain = plain "\r"
    else if (escape == "b") plain = plain "\b"
    else if (escape == "f") plain = plain "\f"
    else plain = plain escape
  }
  return plain rest
}

function hex(digits,   i, value) {
  for (i = 1; i <= length(digits); i++) {
    value = value * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
  }
  return value
}

# The bytes of a character. In the C locale %c prints a number as one byte.
function utf8(code) {
  if (code < 128) return sprintf("%c", code)
  if (code < 2048) return sprintf("%c%c", 192 + int(code / 64), 128 + code % 64)
  if (code < 65536) {
    return sprintf("%c%c%c", 224 + int(code / 4096), 128 + int(code / 64) % 64, 128 + code % 64)
  }
  return sprintf("%c%c", 240 + int(code / 262144), 128 + int(code / 4096) % 64) \
    sprintf("%c%c", 128 + int(code / 64) % 64, 128 + code % 64)
}
