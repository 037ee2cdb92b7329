//! Who may ask: by the host that was meant, the page that asks, the token, and how often.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use ser_core::{Error, ErrorKind, Result};

use crate::problem::Problem;
use crate::token::Token;

/// What a browser names as a protocol of a WebSocket to hand the token over, since it can set no header there: this and
/// the token in URL-safe base64.
const TOKEN_PROTOCOL: &str = "ser.bearer.";

/// Decides on requests before anything is done for them.
///
/// A page of another site can make a browser send requests here, and can let its own name point to this machine (DNS
/// rebinding). Against the first the `Origin` must be this server itself; against the second the `Host` must be an address,
/// or a name that the server was given.
#[derive(Debug)]
pub(crate) struct Guard {
    hosts: Vec<String>,
    only_loopback: bool,
    token: Option<Token>,
    rate: DefaultKeyedRateLimiter<IpAddr>,
}

impl Guard {
    /// For a server bound to `bind` that is also called by the names `hosts`.
    ///
    /// # Errors
    /// When one of `hosts` is more than a name, so that no request could have it.
    pub(crate) fn new(
        bind: SocketAddr,
        hosts: &[String],
        token: Option<Token>,
        requests_per_s: u32,
    ) -> Result<Self> {
        let rate = NonZeroU32::new(requests_per_s).unwrap_or(NonZeroU32::MIN);
        Ok(Self {
            hosts: hosts.iter().map(|host| bare_host(host)).collect::<Result<_>>()?,
            only_loopback: bind.ip().is_loopback(),
            token,
            rate: RateLimiter::keyed(Quota::per_second(rate)),
        })
    }

    /// # Errors
    /// The answer, where `peer` must not ask for this.
    pub(crate) fn check(&self, peer: SocketAddr, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        self.rate.check_key(&network(peer.ip())).map_err(|not_yet| {
            let wait: Duration = not_yet.wait_time_from(DefaultClock::default().now());
            let busy = Problem::busy("too many requests from this address", wait);
            Problem { status: StatusCode::TOO_MANY_REQUESTS, ..busy }
        })?;
        let host = self.host(headers)?;
        if let Some(origin) = headers.get(header::ORIGIN) {
            let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
            if origin.as_ref().and_then(Uri::authority) != Some(&host) {
                let what = "another site's page must not use this server: Origin and Host differ";
                return Err(Problem::new(StatusCode::FORBIDDEN, what));
            }
        }
        let open = !(uri.path().starts_with("/v1/") || uri.path() == "/metrics");
        match &self.token {
            Some(token) if !open => match token_of(headers) {
                Some(given) if token.is(&given) => Ok(()),
                Some(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is not right")),
                None => Err(Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "this server asks for a token; send it as Authorization: Bearer …",
                )),
            },
            _ => Ok(()),
        }
    }

    /// Forgets addresses that have not asked for a while.
    pub(crate) fn tidy(&self) {
        self.rate.retain_recent();
        self.rate.shrink_to_fit();
    }

    /// The authority that the client wanted to reach.
    fn host(&self, headers: &HeaderMap) -> Result<Authority, Problem> {
        let refused = |what: String| Problem::new(StatusCode::MISDIRECTED_REQUEST, what);
        let mut all = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (all.next(), all.next()) else {
            return Err(refused("a request needs one Host".to_owned()));
        };
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        let Some(host) = host.filter(|host| !host.as_str().contains('@')) else {
            return Err(refused("the Host cannot be understood".to_owned()));
        };
        let name = host.host();
        match self.is_ours(name) {
            true => Ok(host),
            false => {
                let what =
                    format!("this server is not called {name:?}; whoever runs it can give it that name");
                Err(refused(what))
            }
        }
    }

    fn is_ours(&self, name: &str) -> bool {
        if self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
            || name.eq_ignore_ascii_case("localhost")
        {
            return true;
        }
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let address = bare.parse::<IpAddr>();
        address.is_ok_and(|address| address.is_loopback() || !self.only_loopback)
    }
}

/// `given` as the host of a request would be: a name or an address, without scheme, port and path.
fn bare_host(given: &str) -> Result<String> {
    let refused = |what: &str, host: &str| {
        let error = Error::new(ErrorKind::Usage, format!("the host {given:?} {what}"));
        Err(error.help(format!("give the name alone, such as {host}")))
    };
    if given.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{given}]"));
    }
    let (scheme, rest) = given.split_once("://").map_or((None, given), |(scheme, rest)| (Some(scheme), rest));
    let authority = rest.split('/').next().unwrap_or_default().parse::<Authority>();
    let host = authority.as_ref().map_or("ser.example", |authority| authority.host());
    match (scheme, &authority) {
        (_, Err(_)) => refused("is no name", host),
        (Some(_), _) => refused("begins with a scheme", host),
        (None, Ok(_)) if rest.contains('/') => refused("holds a path", host),
        (None, Ok(authority)) if authority.as_str() != host => refused("holds more than a name", host),
        (None, Ok(_)) => Ok(given.to_owned()),
    }
}

/// What counts as one address: of IPv6 a customer has at least a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// The token in a request's headers.
fn token_of(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned());
    }
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut names = protocols.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let encoded = names.find_map(|name| name.trim().strip_prefix(TOKEN_PROTOCOL))?;
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 50_000);

    fn guard(bind: &str, hosts: &[&str], token: Option<&str>) -> Guard {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        Guard::new(bind.parse().unwrap(), &hosts, token.map(|token| Token::new(token).unwrap()), 1_000)
            .unwrap()
    }

    fn status(guard: &Guard, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let map = headers.iter().map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<axum::http::HeaderValue>().unwrap())
        });
        let checked = guard.check(PEER, &path.parse().unwrap(), &map.collect());
        checked.err().map(|problem| problem.status.as_u16())
    }

    #[test]
    fn names_that_others_can_point_here_are_refused() {
        let loopback = guard("127.0.0.1:7777", &["ser.example"], None);
        for host in
            ["127.0.0.1:7777", "localhost:7777", "LOCALHOST", "[::1]:7777", "ser.example", "SER.example:1"]
        {
            assert_eq!(status(&loopback, "/", &[("host", host)]), None, "{host}");
        }
        for host in
            ["evil.example:7777", "127.0.0.1.evil.example", "192.168.1.5:7777", "a@localhost", "", "[::1"]
        {
            assert_eq!(status(&loopback, "/", &[("host", host)]), Some(421), "{host}");
        }
        assert_eq!(status(&loopback, "/", &[]), Some(421));
        assert_eq!(status(&loopback, "/", &[("host", "localhost"), ("host", "localhost")]), Some(421));
        let open = guard("0.0.0.0:7777", &[], None);
        assert_eq!(status(&open, "/", &[("host", "192.168.1.5:7777")]), None);
        assert_eq!(status(&open, "/", &[("host", "evil.example:7777")]), Some(421));
    }

    #[test]
    fn a_host_is_a_name_without_a_scheme_and_a_port() {
        for (given, host) in [
            ("ser.example", "ser.example"),
            ("192.168.1.5", "192.168.1.5"),
            ("[::1]", "[::1]"),
            ("::1", "[::1]"),
        ] {
            assert_eq!(bare_host(given).unwrap(), host);
        }
        for (given, what) in [
            ("ser.example:8443", "holds more than a name"),
            ("https://ser.example", "begins with a scheme"),
            ("https://ser.example:8443/page", "begins with a scheme"),
            ("ser.example/", "holds a path"),
            ("user@ser.example", "holds more than a name"),
        ] {
            let error = bare_host(given).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            let error = error.to_string();
            assert!(error.contains(given) && error.contains(what), "{error}");
            assert!(error.ends_with("give the name alone, such as ser.example"), "{error}");
        }
        for given in ["", " ", "a b", "[::1"] {
            assert!(bare_host(given).unwrap_err().to_string().contains("is no name"), "{given:?}");
        }
    }

    #[test]
    fn only_its_own_page_may_use_it() {
        let guard = guard("127.0.0.1:7777", &[], None);
        let of = |origin| status(&guard, "/v1/predict", &[("host", "127.0.0.1:7777"), ("origin", origin)]);
        assert_eq!(of("http://127.0.0.1:7777"), None);
        for origin in
            ["http://evil.example", "null", "http://127.0.0.1:8888", "http://localhost:7777", "", "file://"]
        {
            assert_eq!(of(origin), Some(403), "{origin}");
        }
    }

    #[test]
    fn a_token_is_asked_for_where_there_is_something_to_use() {
        let guard = guard("0.0.0.0:1", &[], Some("s3cret/~"));
        let host = ("host", "localhost");
        for open in ["/", "/app.js", "/healthz", "/readyz", "/openapi.json"] {
            assert_eq!(status(&guard, open, &[host]), None, "{open}");
        }
        for path in ["/v1/predict", "/v1/stream", "/v1/models", "/metrics"] {
            assert_eq!(status(&guard, path, &[host]), Some(401), "{path}");
            assert_eq!(status(&guard, path, &[host, ("authorization", "Bearer wrong")]), Some(401));
            assert_eq!(status(&guard, path, &[host, ("authorization", "Basic s3cret")]), Some(401));
        }
        let protocol = format!("ser.v1, {TOKEN_PROTOCOL}{}", BASE64_URL_SAFE_NO_PAD.encode("s3cret/~"));
        assert_eq!(status(&guard, "/v1/stream", &[host, ("sec-websocket-protocol", &protocol)]), None);
        assert_eq!(
            status(&guard, "/v1/stream", &[host, ("sec-websocket-protocol", "ser.bearer.!")]),
            Some(401)
        );
    }

    #[test]
    fn who_asks_too_often_is_told_when_to_come_back() {
        let guard = Guard::new("127.0.0.1:1".parse().unwrap(), &[], None, 3).unwrap();
        let headers: HeaderMap = [(header::HOST, "localhost".parse().unwrap())].into_iter().collect();
        let ask = |peer: &str| guard.check(peer.parse().unwrap(), &Uri::from_static("/"), &headers);
        for _ in 0..3 {
            ask("10.0.0.1:1").unwrap();
        }
        let problem = ask("10.0.0.1:2").unwrap_err();
        assert_eq!((problem.status, problem.retry_after_s), (StatusCode::TOO_MANY_REQUESTS, Some(1)));
        ask("10.0.0.2:1").unwrap();
        for end in 1..=3 {
            ask(&format!("[2001:db8::{end}]:1")).unwrap();
        }
        assert!(ask("[2001:db8::ffff]:1").is_err(), "the same network");
    }

    proptest! {
        #[test]
        fn no_host_is_taken_that_is_no_address_of_this_machine(host in "[ -~]{0,40}") {
            let guard = guard("127.0.0.1:1", &[], None);
            let Ok(value) = host.parse::<axum::http::HeaderValue>() else { return Ok(()) };
            let headers: HeaderMap = [(header::HOST, value)].into_iter().collect();
            if guard.check(PEER, &Uri::from_static("/"), &headers).is_ok() {
                let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
                let ours = name.eq_ignore_ascii_case("localhost") || name.starts_with("127.") || name == "[::1]";
                prop_assert!(ours, "{}", host);
            }
        }
    }
}
