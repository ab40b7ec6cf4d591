/* framecache: writes the frames that a test asks for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * frame-writer DIRECTORY SLOT SIZE FORMAT
 *
 * Prints "ready" when the slot is open, and closes it when standard input
 * ends. Lines on standard input, each answered by its first word:
 *   frame FIELD=NUMBER...  write one: fill (each of its bytes), size, flags,
 *                          pts, dts, duration, age (ns since its capture)
 *   format TEXT            go on in this format
 *   finish                 end of stream
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fc.h"

static fc_writer_t *writer;
static fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
static unsigned char *payload;

static void
must (int r)
{
  if (r >= 0)
    return;
  fprintf (stderr, "frame-writer: %s\n", fc_error_detail ());
  exit (1);
}

static uint64_t
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return (uint64_t) time.tv_sec * 1000000000u + (uint64_t) time.tv_nsec;
}

static void
set_format (const char *text)
{
  static char format[4096];

  snprintf (format, sizeof format, "%s", text);
  options.format = format;
  options.format_size = (uint32_t) strlen (format);
}

static void
take_field (const char *name, uint64_t value, fc_info_t *info, size_t *size)
{
  if (!strcmp (name, "fill"))
    memset (payload, (int) value, options.frame_size);
  else if (!strcmp (name, "size") && value <= options.frame_size)
    *size = (size_t) value;
  else if (!strcmp (name, "flags"))
    info->flags = (uint32_t) value;
  else if (!strcmp (name, "pts"))
    info->pts = value;
  else if (!strcmp (name, "dts"))
    info->dts = value;
  else if (!strcmp (name, "duration"))
    info->duration = value;
  else if (!strcmp (name, "age"))
    info->capture_ns = now () - value;
  else
    {
      fprintf (stderr, "frame-writer: no such field: %s\n", name);
      exit (2);
    }
}

static void
write_frame (char *fields)
{
  fc_info_t info = FC_INFO_INIT;
  size_t size = options.frame_size;

  for (char *field = strtok (fields, " "); field; field = strtok (NULL, " "))
    {
      char *value = strchr (field, '=');

      if (!value)
        exit (2);
      *value++ = 0;
      take_field (field, strtoull (value, NULL, 0), &info, &size);
    }
  must (fc_writer_write (writer, payload, size, &info, NULL));
}

static void
obey (char *line)
{
  char *rest = strchr (line, ' ');

  if (rest)
    *rest++ = 0;
  if (!strcmp (line, "frame"))
    write_frame (rest);
  else if (!strcmp (line, "format"))
    {
      set_format (rest);
      must (fc_writer_renew (writer, &options));
    }
  else if (!strcmp (line, "finish"))
    must (fc_writer_finish (writer));
  else
    exit (2);
  puts (line);
  fflush (stdout);
}

int
main (int argc, char **argv)
{
  char line[8192];

  if (argc != 5)
    return 2;
  options.dir = argv[1];
  options.frame_size = strtoull (argv[3], NULL, 10);
  options.ring_depth = 16;
  set_format (argv[4]);
  payload = calloc (1, options.frame_size);
  if (!payload)
    return 1;
  must (fc_writer_open (&writer, argv[2], &options));
  puts ("ready");
  fflush (stdout);
  while (fgets (line, sizeof line, stdin))
    {
      line[strcspn (line, "\n")] = 0;
      obey (line);
    }
  fc_writer_close (writer);
  free (payload);
  return 0;
}
