/* Sentences for errors, and lines for logs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <string.h>

#include "fc-private.h"

static _Thread_local char detail[1024];

const char *
fc_error_detail (void)
{
  return detail;
}

const char *
fc_version (void)
{
  return FC_VERSION;
}

int
fc_fail (int error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vsnprintf (detail, sizeof detail, format, args);
  va_end (args);
  return error;
}

bool
fc_is_system_error (int error)
{
  return error == -ENOMEM || error == -EMFILE || error == -ENFILE
         || error == -ENOLCK || error == -EIO;
}

void
fc_log (const fc_log_t *log, fc_log_level_t level, const char *format, ...)
{
  char line[1024];
  va_list args;

  if (log->func == NULL)
    return;
  va_start (args, format);
  vsnprintf (line, sizeof line, format, args);
  va_end (args);
  log->func (level, line, log->data);
}

static int
say_size (const char *what, uint32_t struct_size, size_t known)
{
  return fc_fail (-EINVAL,
                  "%s: struct_size is %u, this library knows %zu bytes; "
                  "begin with the struct's _INIT macro",
                  what, struct_size, known);
}

int
fc_check_struct (const char *what, uint32_t struct_size, size_t known)
{
  return struct_size == known ? 0 : say_size (what, struct_size, known);
}

int
fc_take_struct (const char *what, void *into, size_t known, const void *from,
                size_t least)
{
  uint32_t struct_size;

  memcpy (&struct_size, from, sizeof struct_size);
  if (struct_size < least || struct_size > known)
    return say_size (what, struct_size, known);
  memset (into, 0, known);
  memcpy (into, from, struct_size);
  return 0;
}
