"""What is right and wrong about people, passwords, addresses and roles: pure, without clock, framework or driver."""
