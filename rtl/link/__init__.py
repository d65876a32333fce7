"""The host link: a serial port, frames with CRC, an executor of commands and a ring of results."""
