"""Where records come from: Kafka, files, memory, behind one port."""
