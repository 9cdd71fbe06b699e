mod endpoint;
mod packet;
