import Inventory
import MigrationModel
import Testing

@Suite("ssh_config(5)")
struct SSHConfigurationTests {
    private func settings(
        _ files: [String: String], _ query: SSHConfiguration.Query
    ) throws(LivemigError) -> SSHSettings {
        try configuration(files).settings(for: query)
    }

    private func configuration(_ files: [String: String]) -> SSHConfiguration {
        SSHConfiguration(
            files: ["/home/me/.ssh/config", "/etc/ssh/ssh_config"],
            person: .init(name: "me", home: "/home/me", environment: ["KEYS": "/k"]),
            reader: .init(
                read: { path throws(LivemigError) in files[path] },
                glob: { pattern in
                    files.keys.filter { $0.hasPrefix(pattern.prefix { $0 != "*" }) }.sorted()
                }))
    }

    private func own(_ text: String) -> [String: String] { ["/home/me/.ssh/config": text] }

    @Test("The first value wins, lists grow; breaks when a later block overrides an earlier one")
    func order() throws {
        let files = own(
            """
            # A comment
            Host alpha "beta"   # and another
              HOSTNAME = 10.0.0.1
              Port=2201
              user "first last"
              IdentityFile ~/.ssh/a
            Host *
              User nobody
              Port 22
              IdentityFile "/k/with blank"
              IdentityFile ~/.ssh/a
              ConnectTimeout 1m30
              ForwardAgent yes
            """)
        let alpha = try settings(files, .init(address: "ALPHA"))
        #expect(alpha.hostName == "10.0.0.1" && alpha.port == 2201)
        #expect(alpha.user == "first last")
        #expect(alpha.identityFiles == ["~/.ssh/a", "/k/with blank"])
        #expect(alpha.connectTimeout == .seconds(90))
        #expect(try settings(files, .init(address: "beta")).port == 2201)
        let other = try settings(files, .init(address: "gamma"))
        #expect(other.hostName == nil && other.user == "nobody" && other.port == 22)
    }

    @Test("Patterns and negation; breaks when ! is a character or * stops at a dot")
    func patterns() throws {
        let files = own(
            """
            Host *.example.org !secret.example.org
              User a
            Host h?st !host
              User b
            Host !other
              User never
            """)
        let users = ["x.y.example.org", "secret.example.org", "hast", "host", "plain"].map {
            try? settings(files, .init(address: $0)).user
        }
        #expect(users == ["a", nil, "b", nil, nil])
    }

    @Test("Match by host, user and all; breaks when a criterion is passed over")
    func match() throws {
        let files = own(
            """
            Host alpha
              HostName real.example.org
            Match host *.example.org user root
              Port 2202
            Match originalhost alpha localuser me !user root
              Port 2203
            Match final all
              IdentitiesOnly yes
            Match all
              HostKeyAlias shared
            """)
        #expect(try settings(files, .init(address: "alpha")).port == 2202)
        #expect(try settings(files, .init(address: "alpha", user: "ops")).port == 2203)
        #expect(try settings(files, .init(address: "x", user: "ops")).port == nil)
        let any = try settings(files, .init(address: "x"))
        #expect(any.identitiesOnly == true && any.hostKeyAlias == "shared")
    }

    @Test("Include, in blocks and nested, and the machine's file last; breaks when blocks leak")
    func include() throws {
        var files = own(
            """
            Host alpha
              Include conf.d/*
            Include ~/.ssh/more
            User last
            """)
        files["/home/me/.ssh/conf.d/1"] = "Host *\n  Port 2201\nHost beta\n  Port 1\n"
        files["/home/me/.ssh/more"] = "Host gamma\nPort 2203\n"
        files["/etc/ssh/ssh_config"] = "Port 2299\nUser machine\n"
        // The line after Include is still in alpha's block.
        let alpha = try settings(files, .init(address: "alpha"))
        #expect(alpha.port == 2201 && alpha.user == "last")
        let beta = try settings(files, .init(address: "beta"))
        #expect(beta.port == 2299 && beta.user == "machine")
        files["/home/me/.ssh/more"] = "Include more\n"
        #expect { try settings(files, .init(address: "alpha")) } throws: {
            ($0 as? LivemigError)?.code == .sshConfiguration
        }
    }

    @Test("What decides reachability and is not supported is named; breaks when it is ignored")
    func unsupported() throws {
        let files = own(
            """
            Host a
              ProxyJump none
            Host a b
              ProxyCommand nc "%h" %p
            Host c
              BindInterface eth1
            Match host d exec "true"
              User d
            Host d
              CanonicalizeHostname no
            Host e
              ProxyCommand none
              PKCS11Provider none
            """)
        func named(_ address: String) throws -> String {
            let found = try settings(files, .init(address: address)).unsupported
            return found?.components(before: " at ") ?? ""
        }
        #expect(try named("a").isEmpty)
        #expect(try named("b") == "ProxyCommand")
        #expect(try named("c") == "BindInterface")
        #expect(try named("d") == "Match \"exec\"")
        #expect(try named("e").isEmpty)
    }

    @Test("Tokens, variables and the home folder; breaks when a token stays as it is")
    func tokens() throws {
        let configuration = configuration(own("Host alpha\nHostName %h.lan\nUser %u\n"))
        let query = SSHConfiguration.Query(address: "alpha", user: "ops", port: 2222)
        let settings = try configuration.settings(for: query)
        #expect(settings.hostName == "alpha.lan")
        let text = try configuration.expand("~/%n-%h-%r-%p-%u-%d-%%${KEYS}", query, settings)
        #expect(text == "/home/me/alpha-alpha.lan-ops-2222-me-/home/me-%/k")
        for bad in ["%X", "${MISSING}", "%"] {
            #expect { try configuration.expand(bad, query, settings) } throws: {
                ($0 as? LivemigError)?.code == .sshConfiguration
            }
        }
    }

    @Test("Broken lines have their place; breaks when they are passed over or trap")
    func broken() {
        for line in [
            "Port", "Port x", "Port 70000", "User \"a", "IdentitiesOnly maybe", "Host",
            "Match user", "ConnectTimeout 3y", "ConnectTimeout 99999999999999999999",
        ] {
            #expect { try settings(own("\n\(line)\n"), .init(address: "a")) } throws: {
                let error = $0 as? LivemigError
                return error?.code == .sshConfiguration
                    && error?.place == "/home/me/.ssh/config:2"
            }
        }
    }

    @Test(
        "The inventory's name counts beside the address; breaks when only one of them is looked at")
    func names() throws {
        let files = own("Host alpha\nHostName 10.9.9.9\nUser ops\nHost 10.0.0.1\nPort 2200\n")
        let found = try settings(files, .init(address: "10.0.0.1", name: "alpha"))
        // The address stands in the inventory, so that HostName of the name does not replace it.
        #expect(found.hostName == nil && found.user == "ops" && found.port == 2200)
        #expect(try settings(files, .init(address: "alpha")).hostName == "10.9.9.9")
    }

    @Test("Jump hosts; breaks when a colon of IPv6 counts as a port's")
    func jumps() throws {
        let hops = try JumpHop.parse("me@dom@bastion:2222,[::1]:22,fe80::1%eth0,ssh://x@y:1/")
        #expect(hops.map(\.address) == ["bastion", "::1", "fe80::1%eth0", "y"])
        #expect(hops.map(\.user) == ["me@dom", nil, nil, "x"])
        #expect(hops.map(\.port) == [2222, 22, nil, 1])
        #expect(try JumpHop.parse("none").isEmpty)
        for bad in ["", "a,,b", "a:0", "-oX", "a b", "u@", "1,2,3,4,5,6,7,8,9"] {
            #expect(throws: LivemigError.self) { try JumpHop.parse(bad) }
        }
    }

    @Test("Names and addresses as people have them; breaks when one of them is refused")
    func rules() throws {
        for address in [
            "::1", "[::1]", "fe80::1%eth0", "[fe80::1%2]", "my_host", "_srv.x", "10.0.0.1",
        ] {
            #expect(throws: Never.self, "\(address)") { try HostRecordRules.address(address) }
            let text = """
                <livemig version="1"><host name="a" address="\(address)" user="DOM\\first.last"/></livemig>
                """
            let host = try InventoryDocument.decode(bytes: Array(text.utf8), name: "i")[0]
            #expect(host.address == address.filter { !"[]".contains($0) })
        }
        for user in ["first.last", "DOM\\user", "user@dom.example", "Root", "svc$", "1000", "_x"] {
            #expect(throws: Never.self, "\(user)") { try HostRecordRules.checkUser(user) }
        }
        for address in [":::", "a:b", "[::1", "fe80::1%", "fe80::1%a/b", "x]", "a@b", ""] {
            #expect(throws: LivemigError.self, "\(address)") {
                try HostRecordRules.address(address)
            }
        }
        for user in ["", "-l", "a b", "a;b", "a\\", "$(id)", "a'b", "@x", "ü"] {
            #expect(throws: LivemigError.self, "\(user)") { try HostRecordRules.checkUser(user) }
        }
    }

    @Test("Ways and limits are kept by the inventory; breaks when what is silent becomes stated")
    func round() throws {
        var host = HostRecord(name: try HostName("a"), address: "::1", hostKeys: [])
        host.jump = "u@b:22,none.example"
        host.peerJump = "ops@gate:2222,beta"
        host.loginTimeout = .milliseconds(12_500)
        let text = try InventoryDocument.encode([host])
        #expect(!text.contains("port=") && !text.contains("user="))
        #expect(try InventoryDocument.decode(bytes: Array(text.utf8), name: "i") == [host])
        #expect(host.timeouts.login == .milliseconds(12_500))
        host.loginTimeout = .seconds(601)
        #expect(throws: LivemigError.self) { try InventoryDocument.encode([host]) }
    }
}

extension String {
    fileprivate func components(before mark: String) -> String {
        firstRange(of: mark).map { String(self[..<$0.lowerBound]) } ?? self
    }
}
