# Doxygen's input filter. It makes the plain comments of public headers into documentation comments, so that the headers
# keep their plain style. A comment documents all declarations below it up to the next blank line or comment.
function indent(line) { match(line, /^ */); return RLENGTH }
function is_comment(line) { return line ~ /^ *\/\/( |$)/ }
function is_head(line) { return line ~ /^ *(template|requires)[ <(]/ }  # the declaration itself follows
function ends_group(line, depth) {
  return line == "" || is_comment(line) || indent(line) < depth || line ~ /^ *(};|} +\/\/ namespace|public:|private:)/
}

# The last line of the group of declarations that begins at line `first`; 0 where there is but one of them.
function group_end(first,    depth, declaration, i, n) {
  depth = indent(lines[first])
  declaration = first
  while (is_head(lines[declaration])) declaration++
  if (lines[declaration] ~ /^ *(class|struct|enum|namespace|friend|#)/) return 0
  for (i = first; i <= NR && !ends_group(lines[i], depth); i++)
    if (indent(lines[i]) == depth && lines[i] ~ /^ *[A-Za-z_~]/ && !is_head(lines[i])) n++
  return n > 1 ? i - 1 : 0
}

{ lines[NR] = $0 }

END {
  for (i = 1; i <= NR; i++) {
    line = lines[i]
    # Left out: what is protected, since nobody is to derive but from ndb::Model; and names that stand in a class to be
    # declared anew by model classes.
    if (line ~ /^ *private:|^ *};/ && internal) { print "/// @endcond"; internal = 0 }
    if (line ~ /^ *protected:/ || line ~ /detail::Unset /) print "/// @cond"
    if (line ~ /^ *protected:/) internal = 1
    if (line ~ /detail::Unset /) unset = 1
    if (is_comment(line)) {
      if (i == 1) print "/// @file"
      sub(/\/\//, "///", line)
      gsub(/@/, "\\\\@", line)  # no commands of Doxygen in plain comments
      print line
      if (i < NR && !ends_group(lines[i + 1], indent(line)) && (end = group_end(i + 1))) print "///@{"
    } else {
      if (line ~ /[;,{)}] +\/\/ / && line !~ /^ *} +\/\/ namespace/) sub(/\/\/ /, "///< ", line)
      print line
    }
    if (i == end) print "///@}"
    if (unset && line ~ /;$/) { print "/// @endcond"; unset = 0 }
  }
}
