#!/bin/sh
# Runs the script in its parameters. It reads them with this machine's Node.
script=$(node -p 'JSON.parse(fs.readFileSync(process.env.JOBYARD_PARAMETERS_FILE)).script')
exec sh -c "$script"
