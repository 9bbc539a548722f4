import FoundationEssentials
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Hooks of hosts, run by the real agents around real moves and drains.
@Suite(.serialized) struct HookTests {
    /// What a hook was told.
    struct Event: Decodable {
        let event, time: String
        let host, vm, uuid, role, peer, migration, outcome: String?
        let epoch: UInt64?
        let error: Failure?

        struct Failure: Decodable {
            let code, message: String
        }
    }

    // Breaks when a hook is told something wrong, runs twice or not at all, or when what changes
    // nothing runs hooks.
    @Test(.timeLimit(.minutes(1))) func eventsOfAMove() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try someone.start("guest")
        for host in [hosts.alpha, hosts.beta] {
            for hook in ["pre-move", "post-move"] { try host.listen(by: hook, someone) }
        }
        try someone.succeed("check", "guest", "--to", "beta")
        try someone.succeed("move", "guest", "--to", "beta", "--dry-run")
        let run = try someone.succeed("move", "guest", "--to", "beta", "--output", "json")
        let result = try #require(try run.moveLines().last)
        let uuid = try someone.succeed("vm", "list", "--output", "json").decode(
            MachineLines.self
        ).first?.vms.first?.uuid
        for (host, peer, role) in [
            (hosts.alpha, "beta", "source"), (hosts.beta, "alpha", "destination"),
        ] {
            try expectSoon(within: .seconds(20)) { host.events(someone).count == 2 }
            let events = host.events(someone)
            #expect(events.map(\.event) == ["pre-move", "post-move"])
            #expect(events.map(\.outcome) == [nil, "moved"])
            for event in events {
                #expect(event.vm == "guest")
                #expect(event.uuid == uuid)
                #expect(event.role == role)
                #expect(event.peer == peer)
                #expect(event.migration == result.migration)
                #expect(event.epoch == 1)
                #expect(event.time.hasSuffix("Z"))
                #expect(event.error == nil)
            }
        }
    }

    // Breaks when a refusal does not keep the guest where it is, does not say who refused and why,
    // cannot be undone, or leaves the hook's work in place.
    @Test(.timeLimit(.minutes(1)), arguments: ["alpha", "beta"])
    func refusal(name: String) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try someone.start("guest")
        let host = name == "alpha" ? hosts.alpha : hosts.beta
        try host.hook("pre-move", "echo looking >&2; echo 'the backup runs' >&2; exit 5")
        try host.listen(by: "post-move", someone)
        for _ in 0..<2 {
            let run = try someone.run("move", "guest", "--to", "beta")
            run.expect(.hook, name, "pre-move", "status 5", "the backup runs")
            #expect(run.status == 3)
            run.expectRunning(on: "alpha")
        }
        try expectSoon(within: .seconds(20)) { host.events(someone).count == 2 }
        #expect(host.events(someone).allSatisfy { $0.outcome == "failed" })
        #expect(host.events(someone).allSatisfy { $0.error?.code == "E-HOOK" })
        try host.hook("pre-move", "exit 0")
        try someone.succeed("move", "guest", "--to", "beta")
        #expect(try hosts.beta.differingPages() == "0")
    }

    // Breaks when a hook that hangs holds a move that nobody wants any more, or goes on after it.
    @Test(.timeLimit(.minutes(1)), arguments: ["alpha", "beta"])
    func cancelledWhileItRuns(name: String) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try someone.start("guest")
        let host = name == "alpha" ? hosts.alpha : hosts.beta
        let mark = someone.folder.path("mark")
        try host.hook("pre-move", "echo >\(mark); sleep 6231")
        let move = try someone.begin(["move", "guest", "--to", "beta"])
        try expectSoon(within: .seconds(20)) { unsafe access(mark, F_OK) == 0 }
        move.signal(SIGINT)
        let run = try move.finish()
        #expect(run.status == 8, "\(run)")
        run.expectRunning(on: "alpha")
        try expectSoon(within: .seconds(10)) {
            ProcessListing.commands(containing: "sleep 6231").isEmpty
        }
    }

    // Breaks when a hook that the kernel would not execute is found only once a move, or its end, needs
    // it: then the guest would be moved and the hook not run.
    @Test(.timeLimit(.minutes(1))) func looks() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try someone.start("guest")
        let path = try hosts.beta.hook("pre-move", "exit 0")
        let cases = [
            ("#!/bin/sh\r\nexit 0\r\n", "carriage return"), ("#!/no/such/sh\n", "is not there"),
            ("#!\n", "names no interpreter"), ("exit 0\n", "neither a program nor a script"),
            ("#!/usr/bin/env no-such-program\n", "is in no folder"),
            ("#!/etc/passwd\n", "cannot be run"),
            ("#!" + String(repeating: "/", count: 300), "longer than 256"),
            ("\u{7F}ELF\u{2}\u{1}\u{1}" + String(repeating: "\0", count: 60), "kind of processor"),
        ]
        for (text, words) in cases {
            let file = try OwnedDescriptor.open(path, O_WRONLY | O_TRUNC)
            try DescriptorIO.write(Array(text.utf8), to: file.number)
            let run = try someone.run("check", "guest", "--to", "beta")
            #expect(run.status == 3 && run.output.contains("E-HOOK"), "\(run)")
            #expect(run.output.contains(words) && run.output.contains("beta: "), "\(run)")
        }
        #expect(unsafe unlink(path) == 0)
        let after = try hosts.alpha.hook("post-move", "exit 0")
        #expect(unsafe chmod(after, 0o644) == 0)
        let warned = try someone.run("check", "guest", "--to", "beta")
        #expect(warned.status == 0 && warned.output.contains("W-HOOK"), "\(warned)")
        #expect(warned.output.contains("alpha: "), "\(warned)")
        #expect(unsafe unlink(after) == 0)
        try hosts.beta.hook("pre-move", "exit 0")
        let folder = hosts.beta.root + "/hooks"
        let flags = UInt(MS_BIND)
        try #require(unsafe mount(folder, folder, "", flags, nil) == 0)
        defer { _ = unsafe umount2(folder, CInt(MNT_DETACH)) }
        let again = flags | UInt(MS_REMOUNT) | UInt(MS_NOEXEC)
        try #require(unsafe mount("", folder, "", again, nil) == 0)
        let run = try someone.run("check", "guest", "--to", "beta")
        #expect(run.status == 3 && run.output.contains("noexec"), "\(run)")
    }

    // Breaks when something that is no hook, or that others could exchange, is run or passed by.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            ("exit 0", 0o777, 0o755, "others may write"),
            ("exit 0", 0o755, 0o777, "others may write"), ("exit 0", 0o644, 0o755, "cannot be run"),
            ("", 0o755, 0o755, "not a regular file"),
        ] as [(String, UInt32, UInt32, String)])
    func unfit(script: String, mode: UInt32, folder: UInt32, words: String) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try someone.start("guest")
        let path = try hosts.beta.hook("pre-move", script, mode: mode, folder: folder)
        if script.isEmpty {
            _ = unsafe unlink(path)
            #expect(unsafe symlink("/bin/true", path) == 0)
        }
        let run = try someone.run("move", "guest", "--to", "beta")
        run.expect(.hook, "beta", words)
        run.expectRunning(on: "alpha")
    }

    // Breaks when a hook that runs afterwards changes the result, or fails unnoticed.
    @Test(.timeLimit(.minutes(1))) func failureAfterwards() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try someone.start("guest")
        for host in [hosts.alpha, hosts.beta] {
            try host.hook("post-move", "echo 'nobody listens' >&2; exit 1")
        }
        let run = try someone.succeed("move", "guest", "--to", "beta", "--output", "json")
        for name in ["alpha", "beta"] {
            #expect(
                run.messages.contains {
                    $0.hasPrefix("livemig: warning[W-HOOK]: ") && $0.contains(name)
                        && $0.contains("nobody listens")
                }, "\(run)")
        }
        #expect(run.lines.filter { $0.contains(#""event":"warning""#) }.count == 2)
        #expect(try run.moveLines().last?.outcome == "moved")
        #expect(hosts.alpha.log.contains("warning hook : error[E-HOOK]"))
    }

    // Breaks when a move that nobody follows any more leaves its hooks out.
    @Test(.timeLimit(.minutes(1))) func afterTheControllerHasGone() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try someone.start("guest", "fill=32MiB")
        for host in [hosts.alpha, hosts.beta] { try host.listen(by: "post-move", someone) }
        let move = try someone.begin([
            "move", "guest", "--to", "beta", "--bandwidth", "4MiB/s", "--compression", "none",
            "--output", "json",
        ])
        try move.wait(for: #""phase":"pre-copy""#)
        move.signal(SIGKILL)
        _ = try move.finish()
        for host in [hosts.alpha, hosts.beta] {
            try expectSoon(within: .seconds(30)) { host.events(someone).count == 1 }
            #expect(host.events(someone).first?.event == "post-move")
            #expect(host.events(someone).first?.outcome == "cancelled")
            #expect(host.events(someone).first?.error != nil)
        }
        try someone.succeed("status", "guest")
    }

    // Breaks when a drain that its host refuses changes something, or one that is made leaves the
    // hooks out or takes their failure for its own.
    @Test(.timeLimit(.minutes(2))) func drains() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(["web1", "web2"])
        try hosts.alpha.hook("pre-drain", "echo 'ask the night shift' >&2; exit 1")
        try someone.succeed("plan", "drain", "alpha")
        try someone.succeed("drain", "alpha", "--dry-run")
        let refused = try someone.run("drain", "alpha", "--yes")
        refused.expect(.hook, "alpha", "pre-drain", "ask the night shift")
        #expect(refused.status == 3)
        #expect(try hosts.running(on: hosts.alpha) == ["web1", "web2"])
        #expect(hosts.alpha.hasFirstSettings)

        for host in [hosts.alpha, hosts.beta, hosts.gamma] {
            try host.hook("post-move", "echo 'no ledger' >&2; exit 1")
        }
        try hosts.alpha.listen(by: "pre-drain", someone)
        try hosts.alpha.listen(by: "post-drain", someone, then: "echo 'no pager' >&2; exit 1")
        let kept = try someone.run("drain", "alpha", "--yes", "--leave", "web2")
        #expect(kept.status == 3)
        let run = try someone.succeed("drain", "alpha", "--yes")
        #expect(run.lines.last?.contains("safe to power off") == true)
        #expect(run.errors.contains("warning[W-HOOK]") && run.errors.contains("no pager"))
        // Each move has a hook that fails on either host.
        for (ended, moves) in [(kept, 1), (run, 1)] {
            #expect(ended.messages.count { $0.contains("no ledger") } == 2 * moves, "\(ended)")
        }
        let events = hosts.alpha.events(someone)
        #expect(events.map(\.event) == ["pre-drain", "post-drain", "pre-drain", "post-drain"])
        #expect(events.map(\.outcome) == [nil, "not-empty", nil, "empty"])
        #expect(events.map(\.host) == Array(repeating: "alpha", count: 4))
        #expect(events[1].error?.code == "E-NOTEMPTY")
        #expect(events[3].error == nil)
    }
}

extension TestHost {
    /// Puts a hook in its place.
    /// - Returns: its path.
    @discardableResult
    fileprivate func hook(
        _ name: String, _ script: String, mode: UInt32 = 0o755, folder: UInt32 = 0o755
    ) throws -> String {
        let path = "\(root)/hooks/\(name)"
        _ = unsafe mkdir("\(root)/hooks", 0o700)
        _ = unsafe unlink(path)
        do {
            let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
            try DescriptorIO.write(Array("#!/bin/sh\n\(script)\n".utf8), to: file.number)
        }
        #expect(unsafe chmod(path, mode) == 0)
        #expect(unsafe chmod("\(root)/hooks", folder) == 0)
        return path
    }

    /// Puts a hook in its place that keeps what it is told.
    fileprivate func listen(
        by hook: String, _ someone: Operator, then script: String = "exit 0"
    ) throws {
        let file = someone.folder.path("\(name).events")
        try self.hook(hook, "cat >>\(file) || exit 9\n\(script)")
    }

    /// What its hooks were told, in order.
    fileprivate func events(_ someone: Operator) -> [HookTests.Event] {
        let lines = someone.folder.read("\(name).events").split(separator: "\n")
        return lines.compactMap {
            try? JSONDecoder().decode(HookTests.Event.self, from: Data($0.utf8))
        }
    }
}

extension Operator {
    /// Defines a reference guest on alpha and starts it.
    fileprivate func start(_ name: String, _ workload: String = "fill=4MiB") throws {
        try succeed("vm", "define", try definition(name, workload), "--on", "alpha")
        try succeed("vm", "start", name)
    }
}
