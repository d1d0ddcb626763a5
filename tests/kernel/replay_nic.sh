#!/bin/bash
# SPDX-License-Identifier: MIT
# Captures over NICs that have hardware queues, and take pages as they are: e1000e.
set -u

here=$(dirname "$(readlink -f "$0")")
exec "$here/replay_captures.sh" nic
