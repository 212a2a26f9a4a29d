#!/bin/sh
# Runs the script in its parameters, with this machine's Node at hand to read them.
script=$(node -p 'JSON.parse(fs.readFileSync(process.env.JOBYARD_PARAMETERS_FILE)).script')
exec sh -c "$script"
