/* fc-foreign: one side of a slot, for another C library or word size
 *
 * usage: fc-foreign make | open | observe | write
 *
 * Reserves the slot "foreign" and ends, or attaches to it, or writes it, in
 * the directory FC_DIR. Prints the sentence where that failed. Ends with 0;
 * with 1 where the ring is another program's (-EPROTO); with 2 otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fc.h"

static int
make (void)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;

  options.frame_size = 100;
  options.ring_depth = 4;
  return fc_slot_reserve ("foreign", &options);
}

static int
attach (uint32_t observe)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer;
  int r;

  options.observe = observe;
  r = fc_consumer_open (&consumer, "foreign", &options);
  if (r == 0)
    fc_consumer_close (consumer);
  return r;
}

static int
write_frame (void)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_t *writer;
  int r;

  options.frame_size = 100;
  options.ring_depth = 4;
  r = fc_writer_open (&writer, "foreign", &options);
  if (r < 0)
    return r;
  r = fc_writer_write (writer, "frame", 5, NULL, NULL);
  fc_writer_close (writer);
  return r;
}

int
main (int argc, char **argv)
{
  const char *what = argc == 2 ? argv[1] : "";
  int r = strcmp (what, "make") == 0      ? make ()
          : strcmp (what, "open") == 0    ? attach (0)
          : strcmp (what, "observe") == 0 ? attach (1)
          : strcmp (what, "write") == 0   ? write_frame ()
                                          : -EINVAL;

  if (r >= 0)
    return 0;
  puts (fc_error_detail ());
  return r == -EPROTO ? 1 : 2;
}
