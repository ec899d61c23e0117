# rings: the clock that the pipeline was made for. Ports are inside the device: out of context.
create_clock -name aclk -period 5.0 [get_ports aclk]
