/* The block for late joiners.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

static char block[FC_STICKY_MAX + 1], got[FC_STICKY_MAX];

static void
sticky_block_arrives (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_options_t other = from (FC_START_LIVE);

  for (other.observe = 0; other.observe < 2; other.observe++)
    {
      fc_consumer_t *consumer = consumer_with ("cam0", &other);
      uint32_t serial = 99, before;
      size_t size = 99;

      CHECK_OK (fc_consumer_sticky (consumer, got, sizeof got, &size, &serial));
      if (other.observe == 0)
        {
          CHECK_EQ (size, 0);
          CHECK_EQ (serial, 0);
        }
      before = serial;
      CHECK_OK (fc_writer_set_sticky (writer, "tags", 5));
      CHECK_OK (fc_consumer_sticky (consumer, got, sizeof got, &size, &serial));
      CHECK_EQ (size, 5);
      CHECK (!memcmp (got, "tags", 5));
      CHECK_CMP (serial, >, before);
      CHECK_OK (fc_consumer_sticky (consumer, got, sizeof got, NULL, NULL));
      CHECK_RET (fc_consumer_sticky (consumer, got, 4, &size, NULL), -EMSGSIZE);
      CHECK_EQ (size, 5);
      fc_consumer_close (consumer);
    }
  fc_writer_close (writer);
}

static void
sticky_block_may_be_64_kib (void)
{
  static const size_t sizes[]
      = { FC_STICKY_MAX, 0, 1, FC_STICKY_MAX - 1, 7, 8, 9, 4096, 12345 };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);

  for (uint64_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    {
      uint32_t serial;
      size_t size;

      fill (block, sizes[i], i);
      CHECK_OK (fc_writer_set_sticky (writer, block, sizes[i]));
      CHECK_OK (fc_consumer_sticky (consumer, got, sizeof got, &size, &serial));
      CHECK_EQ (size, sizes[i]);
      CHECK (whole (got, size, i));
    }
  CHECK_RET (fc_writer_set_sticky (writer, block, FC_STICKY_MAX + 1),
             -EMSGSIZE);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
frames_name_the_block_of_their_time (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint32_t serial[3];
  uint64_t next = 0;

  for (int i = 0; i < 3; i++)
    {
      CHECK_OK (fc_writer_set_sticky (writer, block, 10));
      CHECK_OK (
          fc_consumer_sticky (consumer, got, sizeof got, NULL, &serial[i]));
      CHECK_CMP (serial[i], >, i ? serial[i - 1] : 0);
      put (writer, 1);
    }
  for (int i = 0; i < 3; i++)
    CHECK_EQ (take (consumer, &next).sticky, serial[i]);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
replace_for_ever (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  CHECK_OK (fc_writer_set_sticky (writer, block, 0));
  event_post (*(int *) arg);
  for (uint64_t i = 1;; i++)
    {
      size_t size = 8 + (i * 997) % (FC_STICKY_MAX - 8);

      memcpy (block, &i, 8);
      fill (block + 8, size - 8, i);
      CHECK_OK (fc_writer_set_sticky (writer, block, size));
      /* without any pause a copy may find none that stands long enough */
      if (i % 16 == 0)
        nap ();
    }
}

static void
block_being_replaced_is_not_torn (void)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  int ready = event_new ();
  pid_t pid = spawn (replace_for_ever, &ready);

  event_wait (ready);
  for (options.observe = 0; options.observe < 2; options.observe++)
    {
      fc_consumer_t *consumer = consumer_with ("cam0", &options);
      int64_t until = now_ns () + SEC;
      uint64_t last = 0;
      unsigned copies = 0;

      while (now_ns () < until || copies < 20)
        {
          uint64_t i;
          size_t size;
          int ret = fc_consumer_sticky (consumer, got, sizeof got, &size, NULL);

          if (ret == -EAGAIN)
            continue;
          CHECK_OK (ret);
          if (size == 0)
            continue;
          memcpy (&i, got, 8);
          CHECK_EQ (size, 8 + (i * 997) % (FC_STICKY_MAX - 8));
          CHECK (whole (got + 8, size - 8, i));
          CHECK_CMP (i, >=, last);
          last = i;
          copies++;
        }
      fc_consumer_close (consumer);
    }
  kill9 (pid);
}

static void
killed (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  CHECK_OK (fc_writer_set_sticky (writer, "kept", 4));
  put (writer, 1);
  event_post (*(int *) arg);
  for (;;)
    pause ();
}

static void
sticky_block_outlives_its_writer (void)
{
  fc_writer_options_t options = small_ring ();
  int ready = event_new ();
  pid_t pid = spawn (killed, &ready);
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  size_t size;

  event_wait (ready);
  kill9 (pid);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  CHECK_OK (fc_consumer_sticky (consumer, got, sizeof got, &size, NULL));
  CHECK (size == 4 && !memcmp (got, "kept", 4));
  writer = writer_new ("cam0", &options);
  CHECK_OK (fc_writer_set_sticky (writer, "other", 5));
  CHECK_OK (fc_consumer_sticky (consumer, got, sizeof got, &size, NULL));
  CHECK (size == 5 && !memcmp (got, "other", 5));
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Whoever attaches as soon as there is a name finds the block; and the next
 * generation keeps it, or has one of its own. */
static void
ring_is_shown_with_its_block (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint32_t serial, before;
  size_t size;

  options.sticky = "first";
  options.sticky_size = 5;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  CHECK_OK (fc_consumer_sticky (consumer, got, sizeof got, &size, &before));
  CHECK (size == 5 && !memcmp (got, "first", 5));
  for (int i = 0; i < 2; i++)
    {
      options.ring_depth++;
      options.sticky = i == 0 ? NULL : "second";
      options.sticky_size = 6;
      CHECK_RET (fc_writer_renew (writer, &options), 1);
      CHECK_RET (fc_consumer_lease (consumer, &(fc_frame_t) FC_FRAME_INIT, 0),
                 FC_REPLACED);
      CHECK_OK (fc_consumer_attach (consumer, BOUND));
      CHECK_OK (fc_consumer_sticky (consumer, got, sizeof got, &size, &serial));
      CHECK (!memcmp (got, i == 0 ? "first" : "second", size));
      CHECK_EQ (size, i == 0 ? 5 : 6);
      CHECK_EQ (serial, before + (uint32_t) i);
    }
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  options.sticky_size = FC_STICKY_MAX + 1;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EMSGSIZE);
}

static const test_t tests[] = {
  TEST (sticky_block_arrives),
  TEST (sticky_block_may_be_64_kib),
  TEST (frames_name_the_block_of_their_time),
  TEST (block_being_replaced_is_not_torn),
  TEST (sticky_block_outlives_its_writer),
  TEST (ring_is_shown_with_its_block),
};
TEST_MAIN (tests)
